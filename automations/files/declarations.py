"""What a file may declare besides automations: webhooks, receivers, deployments and variables."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    field_validator,
    model_validator,
)

from upshot.events.ids import derived_id
from upshot.flows.deployments.deployment import ConcurrencyLimit, PoolName
from upshot.flows.deployments.jobs import DEFAULT_TYPE, JOBS, PoolType, job_of
from upshot.flows.deployments.sources import FolderSource, Source
from upshot.flows.exceptions import InvalidJob

from ..actions.set_variable import VARIABLE_NAME
from ..definition import Name, Tag


def _revealed(secret: SecretStr) -> str:
    return secret.get_secret_value()


def _filled(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value().strip():
        raise ValueError("must not be empty")
    return secret


Secret = Annotated[SecretStr, AfterValidator(_filled), PlainSerializer(_revealed, when_used="json")]
"""Text that ``repr`` and ``print`` don't show; JSON, which goes to the store, carries it."""

Slug = Annotated[str, Field(max_length=64, pattern=r"^[a-z0-9][a-z0-9_-]*$")]


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Webhook(_Declared):
    """An address that others post to: ``POST /hooks/{name}`` becomes ``webhook.{name}``.

    Attributes:
        name: the address's last part, and that of the event's name.
        preset: how deliveries are signed and named; github checks ``X-Hub-Signature-256``.
        secret: what deliveries are signed with.
        description: for people.
    """

    name: Slug
    preset: Literal["generic", "github"] = "generic"
    secret: Secret | None = None
    description: Annotated[str, Field(max_length=4096)] = ""


class Receiver(_Declared):
    """Somewhere notifications go.

    Attributes:
        name: what the notify action's ``to`` says.
        url: an Apprise address; it often holds a password, so it is never shown again.
    """

    name: Name
    url: Secret

    @field_validator("url")
    @classmethod
    def _an_address(cls, url: SecretStr) -> SecretStr:
        if not urlsplit(url.get_secret_value()).scheme or "://" not in url.get_secret_value():
            raise ValueError("an Apprise address is expected, such as json://host/ or mailto://…")
        return url


_PAIR: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]*/[A-Za-z0-9][A-Za-z0-9 ._-]*")


def _flow_and_name(value: str) -> str:
    if not _PAIR.fullmatch(value):
        raise ValueError("write flow/deployment")
    return value


def _entrypoint(value: str) -> str:
    path, colon, function = value.rpartition(":")
    if not colon or not path.endswith(".py") or not function.isidentifier():
        raise ValueError("write path/to/file.py:function")
    return value


def _no_schedules(value: Any) -> Any:
    if value:
        raise ValueError(
            "deployments have no schedules of their own; an automation with a schedule trigger "
            "and the action run-deployment runs them"
        )
    return value or ()


class Deployment(_Declared):
    """A flow that workers can run.

    Attributes:
        name: ``flow/deployment``.
        entrypoint: ``path.py:function``; in a file, relative to it.
        work_pool: whose workers run it.
        queue: where its runs wait in the pool; by default in the one that is called ``default``.
        parameters: defaults for the flow's parameters.
        description: for people.
        tags: for people and filters; its runs carry them, too.
        schedules: must be empty.
        concurrency_limit: how many of its runs may be under way at a time.
        version: any text; by default that of its source.
        source: a git repository or a folder that the code comes from.
        job: variables of its runs' processes, as the type of its work pool takes them.
        enforce_parameter_schema: whether a run is refused at once whose parameters the flow does
            not take, as far as that is known.
    """

    name: Annotated[str, Field(max_length=256), AfterValidator(_flow_and_name)]
    entrypoint: Annotated[str, Field(max_length=4096), AfterValidator(_entrypoint)]
    work_pool: Name = "default"
    queue: PoolName | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    description: Annotated[str, Field(max_length=4096)] = ""
    tags: tuple[Tag, ...] = Field(default=(), max_length=32)
    schedules: Annotated[tuple[Any, ...], BeforeValidator(_no_schedules)] = ()
    concurrency_limit: ConcurrencyLimit = None
    version: Annotated[str, Field(max_length=200)] | None = None
    source: Source | None = None
    job: dict[str, Any] = Field(default_factory=dict, max_length=100)
    enforce_parameter_schema: bool = True

    @property
    def id(self) -> str:
        """The id that a deployment of this name always has."""
        return derived_id("deployment", self.name)

    def located(self, folder: Path) -> Deployment:
        """Return the deployment with its file's path made absolute, seen from ``folder``.

        Within a source, the path stays relative; that of a source's folder is made absolute.
        """
        if isinstance(self.source, FolderSource):
            where = (folder / Path(self.source.folder).expanduser()).resolve()
            source = self.source.model_copy(update={"folder": str(where)})
            return self.model_copy(update={"source": source})
        if self.source is not None:
            return self
        path, _, function = self.entrypoint.rpartition(":")
        absolute = (folder / Path(path).expanduser()).resolve()
        return self.model_copy(update={"entrypoint": f"{absolute}:{function}"})


class Variable(_Declared):
    """A value that templates read.

    Attributes:
        name: they call it ``variables.<name>``.
        value: any JSON.
    """

    name: Annotated[str, Field(max_length=128, pattern=f"^{VARIABLE_NAME.pattern}$")]
    value: Any


class Limit(_Declared):
    """How much may be under way at a time, or how much may begin in a time.

    Attributes:
        name: what flows name; ``tag:<tag>`` limits tasks of a tag, ``work-pool:<pool>`` runs of a
            pool, ``deployment:<flow>/<name>`` those of a deployment.
        limit: slots that it has.
        slot_decay_per_second: for ``rate_limit``: how many slots become free again each second.
        active: whether it limits now.
        description: for people.
    """

    name: Annotated[str, Field(max_length=300, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._:/@-]*$")]
    limit: Annotated[int, Field(ge=1, le=100_000)]
    slot_decay_per_second: Annotated[float, Field(gt=0, le=1_000_000)] | None = None
    active: bool = True
    description: Annotated[str, Field(max_length=4096)] = ""


class WorkQueue(_Declared):
    """Where some of a work pool's runs wait.

    Attributes:
        name: what deployments call it. The queue ``default`` is there without being declared.
        priority: a free worker takes a run of the queue with the lowest one that has any; queues
            of equal priority are served as their runs came.
        limit: how many of its runs may be under way at a time, on all the pool's workers.
        paused: whether its runs wait for now.
    """

    name: PoolName
    priority: Annotated[int, Field(ge=1, le=1000)] = 100
    limit: Annotated[int, Field(ge=1, le=100_000)] | None = None
    paused: bool = False


class WorkPool(_Declared):
    """Runs that wait for workers, and how the processes of those are made.

    Attributes:
        name: what deployments and workers call it.
        type: process, subprocess, docker or kubernetes.
        concurrency_limit: how many of its runs may be under way at a time, on all its workers.
        job: variables of every run's process; those of a deployment come on top.
        queues: which of the runs that wait goes first, by the queue that its deployment names.
        description: for people.
    """

    name: PoolName
    type: PoolType = DEFAULT_TYPE
    concurrency_limit: Annotated[int, Field(ge=1, le=100_000)] | None = None
    job: dict[str, Any] = Field(default_factory=dict, max_length=100)
    queues: tuple[WorkQueue, ...] = Field(default=(), max_length=100)
    description: Annotated[str, Field(max_length=4096)] = ""

    @field_validator("queues")
    @classmethod
    def _each_once(cls, queues: tuple[WorkQueue, ...]) -> tuple[WorkQueue, ...]:
        names = [queue.name for queue in queues]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{', '.join(twice)} stands here twice")
        return queues

    @model_validator(mode="after")
    def _job_fits(self) -> WorkPool:
        """Check the variables that are given; what they lack, deployments may have."""
        needed = {name for name, each in JOBS[self.type].model_fields.items() if each.is_required()}
        filled = dict.fromkeys(needed - self.job.keys(), "_")
        try:
            job_of(self.type, filled, self.job)
        except InvalidJob as error:
            raise ValueError(str(error)) from None
        return self
