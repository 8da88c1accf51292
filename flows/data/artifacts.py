"""Artifacts: tables, texts, links, images and progress that a run shows to people, kept with it.

The way of an artifact: checked here → the run's journal → ``put_artifact`` in the store, which
writes it and its event at once. The artifacts of one key are versions of one another.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeAlias, TypeVar
from uuid import UUID

from upshot.events.ids import derived_id

from ..context import require_here
from ..emitting import made_event
from ..exceptions import InvalidArtifact
from ..given import shown
from .contents import (
    as_line,
    check_description,
    check_key,
    checked_progress,
    checked_table,
    checked_text,
)

if TYPE_CHECKING:
    from ..context import Here

P = ParamSpec("P")
R = TypeVar("R")

Table: TypeAlias = (
    Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]] | Sequence[Sequence[Any]]
)
"""Columns by name, rows by column, or rows of cells."""


class ArtifactId(UUID):
    """Names an artifact. Awaiting it gives it again, so that coroutines may await what made it."""

    def __await__(self) -> Generator[Any, None, Self]:
        yield from ()
        return self


def create_link_artifact(
    link: str, link_text: str | None = None, key: str | None = None, description: str | None = None
) -> ArtifactId:
    """Show a link with the run.

    Args:
        link: the address. link_text: shown in its place.
        key: lower-case letters, digits and dashes; artifacts of the same key are its versions.
        description: in Markdown.

    Returns:
        Its id; in a coroutine it can be awaited as well.

    Raises:
        InvalidArtifact: naming what is wrong, or too large (``MAX_BYTES``).
        OutsideRun: no run is under way here.
    """
    data = {
        "link": checked_text("link", link),
        "text": checked_text("link_text", link_text or link),
    }
    return _create("link", "link", data, key, description)


def create_markdown_artifact(
    markdown: str, key: str | None = None, description: str | None = None
) -> ArtifactId:
    """Show a text in Markdown; see :func:`create_link_artifact`."""
    return _create("markdown", "markdown", checked_text("markdown", markdown), key, description)


def create_table_artifact(
    table: Table, key: str | None = None, description: str | None = None
) -> ArtifactId:
    """Show a table: a dict of columns, a list of dicts, or a list of lists of cells.

    Numbers that JSON does not have (NaN) are shown as empty, other values as their text. See
    :func:`create_link_artifact` for the rest.
    """
    return _create("table", "table", checked_table(table), key, description)


def create_image_artifact(
    image_url: str, key: str | None = None, description: str | None = None
) -> ArtifactId:
    """Show an image by its address; see :func:`create_link_artifact`."""
    return _create("image", "image_url", checked_text("image_url", image_url), key, description)


def create_progress_artifact(
    progress: float, key: str | None = None, description: str | None = None
) -> ArtifactId:
    """Show how far something is, from 0 to 100; see :func:`create_link_artifact`."""
    return _create("progress", "progress", checked_progress(progress), key, description)


def update_progress_artifact(
    artifact_id: UUID | str, progress: float, description: str | None = None
) -> ArtifactId:
    """Show how far it is by now; nothing happens where the artifact was forgotten with its run.

    Args:
        artifact_id: as :func:`create_progress_artifact` returned it.
        description: None leaves it as it is.
    """
    place = require_here("update_progress_artifact")
    identity = _identity(artifact_id)
    about = {"key": None, "type": "progress"}
    _put(place, identity, about, "progress", checked_progress(progress), description, update=True)
    return identity


def _twin(function: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    @functools.wraps(function)
    async def twin(*args: P.args, **kwargs: P.kwargs) -> R:
        return function(*args, **kwargs)

    twin.__name__ = twin.__qualname__ = f"a{function.__name__}"
    twin.__doc__ = f"Do what :func:`{function.__name__}` does, in a coroutine."
    return twin


acreate_link_artifact = _twin(create_link_artifact)
acreate_markdown_artifact = _twin(create_markdown_artifact)
acreate_table_artifact = _twin(create_table_artifact)
acreate_image_artifact = _twin(create_image_artifact)
acreate_progress_artifact = _twin(create_progress_artifact)
aupdate_progress_artifact = _twin(update_progress_artifact)


def _create(
    kind: str, field: str, data: Any, key: str | None, description: str | None
) -> ArtifactId:
    place = require_here(f"create_{kind}_artifact")
    check_key(key)
    identity = _id_here(place, key or kind)
    _put(place, identity, {"key": key, "type": kind}, field, data, description)
    return identity


def _id_here(place: Here, name: str) -> ArtifactId:
    """Return the id that this call has whenever the code of its attempt runs."""
    run, task = place.context.flow_run, place.task
    attempt = run.attempt if task is None else task.attempt
    number = place.scope.count(f"artifact:{name}")
    made = derived_id("artifact", run.id, place.scope.owner, str(attempt), name, str(number))
    return ArtifactId(made)


def _put(
    place: Here,
    identity: ArtifactId,
    about: dict[str, Any],
    field: str,
    data: Any,
    description: str | None,
    *,
    update: bool = False,
) -> None:
    from pydantic_core import to_json

    check_description(description)
    run, task = place.context.flow_run, place.task
    doc = {
        "id": str(identity), **about, "flow_run": run.id, "flow": run.flow,
        "task_run": task and task.id, "task": task and task.name,
    }  # fmt: skip
    head = {"id": str(identity), "key": about["key"] or "", "update": update}
    lines = [
        to_json(head),
        to_json(doc),
        as_line("description", description),
        as_line(field, data),
    ]
    name = about["key"] or about["type"]
    resource = {"id": f"artifact.{identity}", "name": name, "type": about["type"]}
    made = made_event(
        place, "artifact.updated" if update else "artifact.created", resource, (), about
    )
    record = b"\n".join(lines)
    place.context.journal.put(place.context.held, "artifact", made.to_json(), record=record)


def _identity(artifact_id: UUID | str) -> ArtifactId:
    try:
        return ArtifactId(str(artifact_id))
    except ValueError as error:
        raise InvalidArtifact(f"artifact_id: {shown(artifact_id, 80)} is no id") from error
