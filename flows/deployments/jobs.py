"""Job variables: what a deployment says of the processes of its runs, by type of work pool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from upshot.events.event import describe

from ..exceptions import InvalidJob

PoolType: TypeAlias = Literal["process", "subprocess", "docker", "kubernetes"]

DEFAULT_TYPE: Final[PoolType] = "process"

_QUANTITY: Final = r"^[0-9]+(\.[0-9]+)?([kKMGTP]i?|[kKmMgG]b?)?$"
_NAME: Final = r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"


def _words(value: Any) -> Any:
    """Split a command that is written as a shell would read it."""
    if not isinstance(value, str):
        return value
    import shlex

    return shlex.split(value)


def _no_nul(value: str) -> str:
    if "\0" in value:
        raise ValueError("must not contain a NUL character")
    return value


def _text(value: Any) -> Any:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if plain else value


Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,254}$")]
Text = Annotated[str, BeforeValidator(_text), AfterValidator(_no_nul), Field(max_length=32_768)]
Command = Annotated[list[Text], BeforeValidator(_words), Field(min_length=1, max_length=256)]
Path = Annotated[str, AfterValidator(_no_nul), Field(min_length=1, max_length=4096)]
Quantity = Annotated[str, BeforeValidator(_text), Field(pattern=_QUANTITY)]
Cpus = Annotated[float, Field(gt=0, le=1024)]
Label = Annotated[str, Field(max_length=253)]


class Job(BaseModel):
    """What jobs of every type take.

    Attributes:
        env: variables of the run's environment, besides those of the worker.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    env: dict[Variable, Text] = Field(default_factory=dict, max_length=500)


class ProcessJob(Job):
    """A process forked from a warm parent, which has the imports done.

    Attributes:
        reuse: let a process execute one run after another, instead of one alone.
        max_reuse: how many runs, until a fresh process takes its place.
    """

    reuse: bool = False
    max_reuse: int = Field(default=1_000, ge=1, le=1_000_000)


class SubprocessJob(Job):
    """A program of its own, with the Python environment that it needs.

    Attributes:
        python: interpreter that it runs with, where Upshot is installed; by default the worker's.
        venv: folder of a virtual environment to use in place of ``python``.
        requirements: packages, as pip takes them, of an environment that the worker makes and
            keeps; what it lacks comes from the worker's own.
        command: starts the run's process in place of ``PYTHON -m upshot.flows``; a word
            ``{python}`` stands for the interpreter.
        cwd: working folder; by default that of the source, or of the worker.
    """

    python: Path | None = None
    venv: Path | None = None
    requirements: list[Text] = Field(default_factory=list, max_length=500)
    command: Command | None = None
    cwd: Path | None = None

    @model_validator(mode="after")
    def _one_interpreter(self) -> Self:
        given = [name for name in ("python", "venv", "requirements") if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} each choose the interpreter; give one of them")
        return self


class ContainerJob(Job):
    """What a container takes, wherever it runs.

    Attributes:
        image: has Python with Upshot in it, and the flow's code unless the deployment has a source.
        command: starts the run's process; ``python -m upshot.flows`` by default.
        cpu: how many processors it may use. memory: such as ``512m`` or ``2Gi``.
        labels: of the container, besides Upshot's own.
    """

    image: Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[^\s-]\S*$")]
    command: Command = Field(default_factory=lambda: ["python", "-m", "upshot.flows"])
    cpu: Cpus | None = None
    memory: Quantity | None = None
    labels: dict[Label, Label] = Field(default_factory=dict, max_length=64)


class DockerJob(ContainerJob):
    """A container that the worker's Docker runs.

    Attributes:
        pull: when the image is fetched.
        network: name of the network that it joins. user: whom it runs as.
        volumes: ``/here:/there`` or ``/here:/there:ro``.
    """

    pull: Literal["missing", "always", "never"] = "missing"
    network: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    user: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    volumes: list[Annotated[str, Field(pattern=r"^[^:]+:/[^:]*(:ro|:rw)?$")]] = Field(
        default_factory=list, max_length=64
    )


class KubernetesJob(ContainerJob):
    """A Job in a Kubernetes cluster.

    Attributes:
        namespace: where. service_account: whom its pod acts as.
        pull: the image pull policy.
        store_secret: ``name/key`` of a Secret that holds the store's address; without it that
            stands in the manifest.
        node_selector: labels that the node must have.
        keep: seconds that the Job stays after its end.
    """

    namespace: Annotated[str, Field(pattern=_NAME)] = "default"
    service_account: Annotated[str, Field(pattern=_NAME)] | None = None
    pull: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    store_secret: Annotated[str, Field(pattern=r"^[a-z0-9.-]+/[A-Za-z0-9._-]+$")] | None = None
    node_selector: dict[Label, Label] = Field(default_factory=dict, max_length=64)
    keep: int = Field(default=300, ge=0, le=30 * 86_400)


JOBS: Final[Mapping[str, type[Job]]] = {
    "process": ProcessJob,
    "subprocess": SubprocessJob,
    "docker": DockerJob,
    "kubernetes": KubernetesJob,
}
"""The model of each type of pool."""


def merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Return job variables where later layers win; environments and labels are joined."""
    together: dict[str, Any] = {}
    for layer in layers:
        for name, value in layer.items():
            before = together.get(name)
            both = isinstance(before, Mapping) and isinstance(value, Mapping)
            together[name] = {**before, **value} if both else value  # type: ignore[dict-item]
    return together


def job_of(kind: str, *layers: Mapping[str, Any]) -> Job:
    """Return the checked job variables of a type of pool.

    Raises:
        InvalidJob: naming each wrong field.
    """
    try:
        return JOBS[kind].model_validate(merged(*layers))
    except ValidationError as error:
        raise InvalidJob(f"job of a {kind} pool: {describe(error)}") from None
