"""JSON Schemas over HTTP, for editors: ``# yaml-language-server: $schema=<url>``."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from upshot.automations.files.schema import KINDS, schema
from upshot.automations.suggestions import did_you_mean
from upshot.events.exceptions import NotFound

from .answers import answer

router = APIRouter(prefix="/api/v1/schemas", tags=["definitions"])


@router.get("/{kind}")
async def show_schema(kind: str) -> Response:
    """Show the JSON Schema of a whole `file`, or of one `automation`, `deployment`, ….

    Put `# yaml-language-server: $schema=<this address>` on top of a file that `upshot apply`
    reads, and editors complete and check it.
    """
    if kind not in KINDS:
        there = f"; there are {', '.join(KINDS)}"
        raise NotFound(
            f"there is no schema of {kind[:100]!r}{did_you_mean(kind[:100], set(KINDS)) or there}"
        )
    made = answer(schema(kind))
    made.headers["Content-Type"] = "application/schema+json"
    return made
