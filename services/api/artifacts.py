"""Artifacts over HTTP: what runs show, listed without their data, and shown one at a time."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from starlette.responses import Response

from ..artifacts import Artifacts
from .answers import Cursor, Limit, answer, page, place_of
from .parts import Served

router = APIRouter(prefix="/api/v1/artifacts", tags=["artifacts"])


@router.get("")
async def list_artifacts(
    parts: Served,
    run: str | None = None,
    key: str | None = None,
    type: Literal["table", "markdown", "link", "image", "progress"] | None = None,  # noqa: A002
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List artifacts, newest first, without their data; `run` is a run's id or name."""
    run_id = (await parts.recorded_runs.find(run))["id"] if run else None
    items, following = await Artifacts(parts.store).page(
        run_id=run_id, key=key, kind=type, limit=limit, before=place_of(cursor)
    )
    return page(items, following and str(following))


@router.get("/{artifact}")
async def show_artifact(parts: Served, artifact: str) -> Response:
    """Show an artifact with its data, given by its id, or the latest one of a key."""
    return answer(await Artifacts(parts.store).find(artifact))
