"""Puts the API together: who may ask, the routes, and what runs beside them.

A request passes: guard → limit of the body → route → its handler; errors become problems.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.routing import Route

import upshot
from upshot.events.settings import Settings
from upshot.events.store import Store

from . import problems
from .bodies import BodyLimit
from .guard import Guard
from .hooks import post_hook
from .ingest import post_events
from .parts import Parts, make_parts

_DESCRIPTION = """Events in, outcomes out: everything that Upshot knows and does, over HTTP.

Lists answer `{"items": […], "next": cursor or null}`; errors are problem documents (RFC 9457).
"""


def create_app(settings: Settings, store: Store) -> FastAPI:
    """Return the API on this store; what runs beside the requests starts with its lifespan."""
    parts = make_parts(settings, store)
    app = FastAPI(
        title="Upshot",
        version=upshot.__version__,
        description=_DESCRIPTION,
        lifespan=_lifespan,
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
    problems.install(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    parts: Parts = app.state.parts
    parts.appender.start()
    try:
        yield
    finally:
        await parts.appender.close()
        await parts.rejections.flush()
