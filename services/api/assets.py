"""Assets over HTTP: how they are, when they were materialised, and what is made of what."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from ..assets import DEEPEST, Assets
from .answers import Limit, answer, page, place_of
from .parts import Served

router = APIRouter(prefix="/api/v1/assets", tags=["assets"])

_Cursor = Annotated[str | None, Query(max_length=600, description="`next` of the page before.")]
"""Longer than elsewhere: it holds a key."""


@router.get("")
async def list_assets(
    parts: Served, prefix: str = "", limit: Limit = 100, cursor: _Cursor = None
) -> Response:
    """List assets, by when something was last known of them; `prefix` is how their keys begin."""
    items, following = await Assets(parts.store).page(
        prefix=prefix, limit=limit, before=place_of(cursor)
    )
    return page(items, following and str(following))


@router.get("/{key:path}/materializations")
async def list_materializations(parts: Served, key: str) -> Response:
    """List the latest materialisations of an asset, newest first."""
    return page(await Assets(parts.store).materializations(key))


@router.get("/{key:path}/lineage")
async def show_lineage(
    parts: Served, key: str, depth: Annotated[int, Query(ge=1, le=DEEPEST)] = 10
) -> Response:
    """Show what an asset is made of, and what is made of it, as two trees."""
    assets = Assets(parts.store)
    up = await assets.lineage(key, "upstream", depth)
    return answer({**up, **await assets.lineage(key, "downstream", depth)})


@router.get("/{key:path}")
async def show_asset(parts: Served, key: str) -> Response:
    """Show an asset: its latest materialisation, failure and checks, and its neighbours."""
    return answer(await Assets(parts.store).find(key))


@router.delete("/{key:path}", status_code=204)
async def forget_asset(parts: Served, key: str) -> Response:
    """Forget what is known of an asset; what it names is not touched."""
    await Assets(parts.store).forget(key)
    return Response(status_code=204)
