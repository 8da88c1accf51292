"""Makes deployments of flows: what one may say of one in Python, and where its code comes from."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypedDict

from pydantic import TypeAdapter, ValidationError

from upshot.events.event import describe

from ..exceptions import InvalidDeployment, WrongArgument
from ..given import DICT, TEXT, Kind, is_text, maybe, require, require_each, shown, texts, wrong
from ..schemas.telling import told_of
from .checkouts import code_folder, laid_out, pinned
from .deployment import ConcurrencyLimitConfig, Deployment
from .deployment import deploy as keep
from .sources import FolderSource, GitSource, Source

if TYPE_CHECKING:
    from ..definitions.flowdef import Flow


class DeploymentOptions(TypedDict, total=False):
    """What ``Flow.deploy`` takes, which says what each means; the last ones are as in Prefect."""

    work_pool: str
    queue: str | None
    parameters: dict[str, Any] | None
    description: str | None
    tags: Iterable[str]
    version: str | None
    entrypoint: str | Path | None
    concurrency_limit: int | ConcurrencyLimitConfig | None
    enforce_parameter_schema: bool
    source: dict[str, str] | None
    job: dict[str, Any] | None
    work_pool_name: str
    work_queue_name: str | None
    job_variables: dict[str, Any] | None
    image: str | None
    build: bool
    push: bool


_OTHER_WORDS: Final = {"work_pool_name": "work_pool", "work_queue_name": "queue"}
_SCHEDULED: Final = frozenset({"cron", "interval", "rrule", "schedule", "schedules"})
_KINDS: Final = {
    "job": maybe(DICT),
    "job_variables": maybe(DICT),
    "image": maybe(TEXT),
    "entrypoint": Kind("a text, a path or None", lambda given: given is None or _is_path(given)),
}
_KNOWN: Final = DeploymentOptions.__optional_keys__


def deployment_of(flow: Flow[..., Any], name: str, options: Mapping[str, Any]) -> Deployment:
    """Return a deployment of a flow, which nobody knows yet.

    Raises:
        InvalidDeployment: naming each wrong field.
        EntrypointNotFound: no file holds the flow.
    """
    _check_texts(flow, name, options.get("tags"))
    given = _in_our_words(name, options)
    came = flow.source
    fields = {
        "entrypoint": came[1] if came is not None else None,
        "source": came[0] if came is not None else None,
        "version": flow.version,
        "description": flow.description,
        **{key: value for key, value in given.items() if value is not None},
        "name": f"{flow.name}/{name}",
        "tags": sorted({*flow.tags, *(given.get("tags") or ())}),
    }
    fields["entrypoint"] = str(fields["entrypoint"] or flow.entrypoint)
    if given.get("source") is None:  # else the code there may be other code than this
        fields["known"] = told_of(flow, fields["source"])
    return Deployment.of(**fields)


def _check_texts(flow: Flow[..., Any], name: object, tags: object) -> None:
    """Refuse what would be made text of, or texts of its letters."""
    require(TEXT, name=name)
    texts("tags", tags or ())


def _in_our_words(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options in the words of :class:`Deployment`."""
    given = dict(options)
    if wrong := sorted(given.keys() & _SCHEDULED):
        raise InvalidDeployment(
            f"deployment {name}: {wrong[0]}: deployments have no schedules of their own; an "
            "automation with a schedule trigger runs them"
        )
    if unknown := sorted(given.keys() - _KNOWN):
        takes = ", ".join(sorted(_KNOWN))
        raise WrongArgument(f"a deployment takes no {', '.join(unknown)}; it takes {takes}")
    for word, ours in _OTHER_WORDS.items():
        if word in given:
            given[ours] = given.pop(word)
    require_each(_KINDS, given)
    job = {**(given.pop("job", None) or {}), **(given.pop("job_variables", None) or {})}
    if image := given.pop("image", None):
        job["image"] = image
    built = [word for word in ("build", "push") if given.pop(word, False)]
    if built:
        raise InvalidDeployment(f"deployment {name}: {built[0]}: no images are built here")
    return {**given, "job": job}


def check_deployments(function: str, given: Sequence[object]) -> None:
    """Do nothing where a function was given deployments, each once.

    Raises:
        InvalidDeployment: naming what is none, or the name that two have.
    """
    names: set[str] = set()
    for each in given:
        if not isinstance(each, Deployment):
            raise InvalidDeployment(
                f"{function}() takes flow.to_deployment(name), not {shown(each, 100)}"
            )
        if each.name in names:
            raise InvalidDeployment(f"{function}() got two deployments named {each.name}")
        names.add(each.name)


def deploy(*deployments: Deployment, work_pool_name: str | None = None) -> list[Deployment]:
    """Make deployments known to the running service, so that workers can run them.

    Args:
        deployments: as ``Flow.to_deployment`` makes them.
        work_pool_name: whose workers run them, where not their own.

    Raises:
        InvalidDeployment: one is none, or there are two of a name.
        StoreUnavailable: no service runs that could keep them.
    """
    check_deployments("deploy", deployments)
    changed = {} if work_pool_name is None else {"work_pool": work_pool_name}
    made = [Deployment.of(**{**dict(each), **changed}) for each in deployments]
    for each in made:
        keep(each)
    return made


def flow_from(source: str | Path | Mapping[str, str], entrypoint: str) -> Flow[..., Any]:
    """Return a flow whose code is elsewhere, to call it here or to deploy it from there.

    Args:
        source: a folder, the address of a git repository, or as ``source`` of ``Flow.deploy``.
        entrypoint: ``path.py:function``, relative to the source.

    Raises:
        InvalidDeployment: naming what is wrong with the source. WrongArgument: one is none.
        SourceUnavailable: the code is not to be had. EntrypointNotFound: it has no such flow.
    """
    from upshot.events.settings import load_settings

    from ..definitions.entrypoints import load_flow

    require(TEXT, entrypoint=entrypoint)
    found = _source(source)
    cache = code_folder(load_settings().data_dir)
    with contextlib.chdir(laid_out(pinned(found, cache), cache)):
        flow = load_flow(entrypoint).with_options()
    flow.source = (found.model_dump(mode="json", exclude_unset=True), entrypoint)
    return flow


def _source(given: str | Path | Mapping[str, str]) -> GitSource | FolderSource:
    if isinstance(given, Mapping):
        fields = dict(given)
    elif not given or not _is_path(given):
        raise wrong("source", given, "must be a folder, an address of a repository, or a dict")
    elif _is_folder(given):
        fields = {"folder": str(Path(given).resolve())}
    else:
        fields = {"git": str(given)}
    try:
        found: GitSource | FolderSource = TypeAdapter(Source).validate_python(fields)
    except ValidationError as error:
        raise InvalidDeployment(f"source: {describe(error)}") from None
    return found


def _is_path(given: object) -> bool:
    return isinstance(given, str | Path) and is_text(str(given)) and "\0" not in str(given)


def _is_folder(given: str | Path) -> bool:
    try:
        return Path(given).is_dir()
    except OSError:  # too long for a path
        return False
