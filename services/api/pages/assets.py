"""The pages of assets: how they are, and of one its checks and a picture of its lineage."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from .. import assets
from ..parts import Served
from .picture import lineage
from .rendering import PageRoute, page, told

router = APIRouter(include_in_schema=False, route_class=PageRoute)

_DEPTH = 5


@router.get("/assets")
async def list_assets(parts: Served, prefix: str = "", cursor: str = "") -> Response:
    """Show assets, those first of which something was known last."""
    found = await told(assets.list_assets(parts, prefix=prefix, cursor=cursor or None))
    live = "/live?event=asset.*" if not cursor else None
    return page("assets.html", assets=found["items"], next=found["next"], prefix=prefix, live=live)


@router.get("/assets/{key:path}")
async def show(parts: Served, key: str) -> Response:
    """Show an asset."""
    found = await told(assets.show_asset(parts, key))
    tree = await told(assets.show_lineage(parts, key, depth=_DEPTH))
    made = await told(assets.list_materializations(parts, key))
    return page(
        "asset.html",
        asset=found,
        picture_of=lineage(tree),
        materializations=made["items"],
        live="/live?event=asset.*",
    )
