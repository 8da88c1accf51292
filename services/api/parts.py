"""What the handlers of requests share: one object, made at start, kept with the app."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import Request

from upshot.events.log import Log
from upshot.events.settings import Settings
from upshot.events.store import Store
from upshot.flows.runs.registry import Runs

from ..definitions.catalog import Catalog
from ..definitions.fitting import Fitting
from ..definitions.linting import Linter
from ..definitions.naming import Naming
from ..definitions.review import Review
from ..definitions.shadows import Shadows
from ..history.archive import Archive
from ..history.runs import RecordedRuns
from .appender import Appender
from .following import Following
from .rejections import Rejections
from .tail import Tail
from .webhooks import Webhooks


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of the API.

    Attributes:
        stopping: set when the service ends; whoever streams ends too.
    """

    settings: Settings
    store: Store
    log: Log
    catalog: Catalog
    runs: Runs
    archive: Archive
    recorded_runs: RecordedRuns
    shadows: Shadows
    appender: Appender
    webhooks: Webhooks
    rejections: Rejections
    tail: Tail
    following: Following
    stopping: asyncio.Event


def make_parts(settings: Settings, store: Store) -> Parts:
    """Make the parts on this store; nothing runs yet."""
    log = Log(store, dedup_ms=int(settings.dedup * 1000))
    runs = Runs(store, lease_ms=settings.lease_ms)
    archive = Archive.of(settings, store)
    recorded, stopping = RecordedRuns(store, runs, archive), asyncio.Event()
    catalog = Catalog(store, Naming(store, Fitting(store, Review(store, Linter(store, archive)))))
    return Parts(
        settings=settings,
        store=store,
        log=log,
        catalog=catalog,
        runs=runs,
        archive=archive,
        recorded_runs=recorded,
        shadows=Shadows(store, archive),
        appender=Appender(log.append_raw),
        webhooks=Webhooks(catalog),
        rejections=Rejections(store),
        tail=Tail(log),
        following=Following(runs, recorded, stopping),
        stopping=stopping,
    )


def parts_of(request: Request) -> Parts:
    """Return the parts of the app that serves this request."""
    return cast(Parts, request.app.state.parts)


async def _served(request: Request) -> Parts:
    return parts_of(request)  # a plain function would be called in a thread of its own


Served = Annotated[Parts, Depends(_served)]
"""The parts, as an argument of a FastAPI handler."""
