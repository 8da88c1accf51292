"""Deployments: flows that workers can run, by name; each change in the store has its event."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from upshot.events.event import describe
from upshot.events.store import SyncStore

from ..exceptions import InvalidDeployment
from ..joining.documents import Document, change
from ..runs.flowrun import DEFAULT_POOL
from ..schemas.keeping import keep_here
from ..schemas.known import Known
from .sources import Source

Name = Annotated[str, Field(pattern=r"^[^/\s][^/]{0,199}/[^/\s][^/]{0,199}$")]
PoolName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
Tag = Annotated[str, Field(min_length=1, max_length=200)]


class ConcurrencyLimitConfig(BaseModel):
    """How many runs of a deployment may be under way, and what becomes of one more.

    Attributes:
        limit: how many.
        collision_strategy: ENQUEUE lets it wait its turn, CANCEL_NEW cancels it, CANCEL_RUNNING
            cancels the oldest one that runs, to take its place.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(ge=1, le=100_000)
    collision_strategy: Literal["ENQUEUE", "CANCEL_NEW", "CANCEL_RUNNING"] = "ENQUEUE"


def _limited(value: Any) -> Any:
    return {"limit": value} if isinstance(value, int) and not isinstance(value, bool) else value


ConcurrencyLimit = Annotated[ConcurrencyLimitConfig | None, BeforeValidator(_limited)]
"""Written as a number, or with its strategy."""


class Deployment(BaseModel):
    """A flow under a name, with what its runs need.

    Attributes:
        name: ``flow/deployment``.
        entrypoint: ``path.py:function`` or ``package.module:function``, as workers find it.
        work_pool: whose workers run it. queue: where its runs wait in the pool; by default in the
            one that is called ``default``.
        parameters: of its runs, where they do not say otherwise.
        version: any text; by default that of its source.
        concurrency_limit: how many of its runs may be under way at a time.
        source: where the code comes from, which the entrypoint is relative to then; else it lies
            where the entrypoint says, on every machine that has a worker.
        job: variables of its runs' processes, as the type of its work pool takes them.
        enforce_parameter_schema: whether a run is refused at once whose parameters the flow does
            not take, as far as that is known.
        known: what its flow takes, where that is at hand; kept beside the deployment.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    entrypoint: Annotated[str, Field(pattern=r"^.+:[A-Za-z_][\w.]*$", max_length=4096)]
    work_pool: PoolName = DEFAULT_POOL
    queue: PoolName | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    description: str = Field(default="", max_length=10_000)
    tags: list[Tag] = Field(default_factory=list, max_length=32)
    version: str | None = Field(default=None, max_length=200)
    concurrency_limit: ConcurrencyLimit = None
    source: Source | None = None
    job: dict[str, Any] = Field(default_factory=dict, max_length=100)
    enforce_parameter_schema: bool = True
    known: Known | None = Field(default=None, exclude=True, repr=False)

    @classmethod
    def of(cls, **fields: Any) -> Self:
        """Make one of fields that people wrote.

        Raises:
            InvalidDeployment: naming each wrong field.
        """
        try:
            return cls(**fields)
        except ValidationError as error:
            raise InvalidDeployment(f"deployment {fields.get('name')}: {describe(error)}") from None

    @property
    def flow(self) -> str:
        """The flow's name."""
        return self.name.partition("/")[0]


def put(store: SyncStore, deployment: Deployment) -> str:
    """Keep a deployment under its name; return ``created``, ``updated`` or ``unchanged``.

    Raises:
        InvalidDeployment: its parameters are not JSON.
        Conflict: somebody else keeps changing it.
    """
    new = _document(deployment)

    def wanted(old: Document | None) -> Document:
        return {**new, "paused": True} if old is not None and old.get("paused") else new

    done = change(store, "deployment", deployment.name, wanted)
    if deployment.known is not None:
        keep_here(store, new, deployment.known)
    return done


def _document(deployment: Deployment) -> Document:
    try:
        document: Document = from_json(deployment.model_dump_json())
    except ValueError as error:
        raise InvalidDeployment(f"deployment {deployment.name}: parameters: {error}") from error
    return document


def deploy(deployment: Deployment) -> str:
    """Keep a deployment in the running service's store, pinned to a version; see :func:`put`.

    Raises:
        StoreUnavailable: no service runs here that could keep it.
        SourceUnavailable: its code is not to be had.
    """
    from upshot.events.settings import load_settings

    from ..joining.store import connect, join, require_lasting
    from .checkouts import code_folder, pinned

    require_lasting(joined := join())
    if deployment.source is not None:
        source = pinned(deployment.source, code_folder(load_settings().data_dir))
        deployment = deployment.model_copy(update={"source": source})
    return put(connect(joined), deployment)
