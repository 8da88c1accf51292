"""Puts the API together: who may ask, the routes, and what runs beside them.

A request passes: guard → limit of the body → route → its handler; errors become problems.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from fastapi import Depends, FastAPI
from starlette.middleware import Middleware
from starlette.routing import Route

import upshot
from upshot.events.settings import Settings
from upshot.events.store import Store

from . import (
    artifacts,
    assets,
    backtest,
    dead_letters,
    definitions,
    event_log,
    explain,
    firings,
    health,
    limits,
    metrics,
    openapi,
    pages,
    parameter_schemas,
    pausing,
    problems,
    promoting,
    runs,
    schemas,
    task_runs,
    task_sums,
    testing,
    tracing,
    work,
)
from .bodies import BodyLimit
from .ending import end
from .guard import Guard
from .hooks import post_hook
from .ingest import post_events
from .intake import Intake
from .parts import Parts, make_parts
from .routing import refuse_unknown

_DESCRIPTION = """Events in, outcomes out: everything that Upshot knows and does, over HTTP.

Lists answer `{"items": […], "next": cursor or null}`; errors are problem documents (RFC 9457).
"""
_ROUTED: Final = (
    # They are tried in turn: what programs ask for most comes first.
    task_sums,
    pausing,
    runs,
    event_log,
    tracing,
    explain,
    backtest,
    testing,
    promoting,
    limits,
    parameter_schemas,
    definitions,
    schemas,
    task_runs,
    work,
    artifacts,
    assets,
    firings,
    dead_letters,
    health,
    metrics,
    pages,
)
_OPENING_PATIENCE: Final = 5.0


def create_app(settings: Settings, store: Store) -> FastAPI:
    """Return the API on this store; what runs beside the requests starts with its lifespan."""
    parts = make_parts(settings, store)
    app = FastAPI(
        title="Upshot",
        version=upshot.__version__,
        description=_DESCRIPTION,
        lifespan=_lifespan,
        docs_url=None,  # the page of our own loads nothing from elsewhere
        redoc_url=None,
        # Where events come in every microsecond counts: these two do without FastAPI.
        routes=[
            Route("/api/v1/events", post_events, methods=["POST"]),
            Route("/hooks/{slug}", post_hook, methods=["POST"]),
        ],
        middleware=[
            Middleware(problems.CatchAll),
            Middleware(Guard, settings=settings, rejections=parts.rejections),
            Middleware(BodyLimit, limit=settings.max_body),
        ],
    )
    app.state.parts = parts
    for room in _ROUTED:  # probes and browsers may ask with parameters of their own
        strict = [Depends(refuse_unknown)] if room.router.prefix else []
        app.include_router(room.router, dependencies=strict)
    problems.install(app)
    openapi.install(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    parts: Parts = app.state.parts
    intake = Intake(parts.store, parts.rejections)
    holding = asyncio.create_task(intake.run())
    parts.appender.start()
    with suppress(TimeoutError):  # without the store, requests are answered with 503
        await asyncio.wait_for(intake.opened.wait(), _OPENING_PATIENCE)
    try:
        yield
    finally:
        await parts.appender.close()
        await end(holding)
        await parts.rejections.flush()
        await parts.shadows.close()
        await parts.archive.close()
