"""Pages for people, made on the server: what goes on now, and what the API offers.

They load nothing from elsewhere and run no script. What events and runs say of themselves is
text of strangers: every value is escaped, and the browser is told to execute nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import APIRouter, Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from upshot.events.exceptions import EventsError
from upshot.flows.runs.registry import RunFilter

from ..history.events import search
from ..history.filters import EventFilter
from ..history.firings import search as search_firings
from . import dead_letters
from .health import readiness
from .parts import Parts, Served
from .tail import show

router = APIRouter(include_in_schema=False)

_SHOWN: Final = 20
_POLICY: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_TONES: Final = {
    **dict.fromkeys(("Completed", "succeeded"), "good"),
    **dict.fromkeys(("Failed", "Crashed", "failed", "dead-lettered"), "bad"),
    **dict.fromkeys(("Running", "Pending", "Cancelling", "open"), "busy"),
}
_METHODS: Final = ("get", "post", "put", "patch", "delete")


def _clock(moment: str | int | None) -> str:
    """Return a time as the tables show it; Unix ms or ISO 8601."""
    if moment is None:
        return ""
    if isinstance(moment, int):
        moment = datetime.fromtimestamp(moment / 1000, UTC).isoformat(timespec="milliseconds")
    return moment[:19].replace("T", " ")


def _tone(state: str) -> str:
    return _TONES.get(state, "dim")


def _environment() -> Environment:
    pages = Environment(
        loader=PackageLoader("upshot.services.api"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    pages.filters.update(clock=_clock, tone=_tone)
    return pages


_PAGES: Final = _environment()


@router.get("/")
async def dashboard(parts: Served) -> Response:
    """Show what goes on now."""
    health = await readiness(parts.store)
    try:
        found = await _latest(parts)
    except EventsError as error:
        found = {"away": str(error)}
    return _page("dashboard.html", health=health, **found)


async def _latest(parts: Parts) -> dict[str, Any]:
    runs, _ = await parts.runs.list(RunFilter(), limit=_SHOWN)
    fired, _ = await search_firings(parts.store, None, limit=_SHOWN)
    anything = EventFilter.of(None, None)
    events, _ = await search(parts.store, None, anything, limit=_SHOWN)
    return {
        "away": None,
        "runs": [run.to_dict() for run in runs],
        "firings": [firing for _, firing in fired],
        "letters": await dead_letters.latest(parts.store, limit=_SHOWN),
        "events": [{**show(each), "resource": {"name": "", **each.resource}} for each in events],
    }


@router.get("/docs")
async def docs(request: Request) -> Response:
    """Show what the API offers."""
    api = request.app.openapi()
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for operation in operations(api):
        groups[operation["tag"]].append(operation)
    return _page("docs.html", api=api, groups=groups)


def operations(api: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each operation of an OpenAPI document, in the form in which the page shows it."""
    for path, methods in api["paths"].items():
        for method in _METHODS:
            if operation := methods.get(method):
                schema = _body_schema(api, operation)
                yield {
                    "method": method.upper(),
                    "path": path,
                    "tag": operation.get("tags", ["other"])[0],
                    "text": operation.get("description") or operation.get("summary", ""),
                    "parameters": [
                        {"description": "", **each} for each in operation.get("parameters", [])
                    ],
                    "fields": schema.get("properties", {}),
                    "required": schema.get("required", []),
                }


def _body_schema(api: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any]:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    schema: dict[str, Any] = content.get("schema", {})
    name = schema.get("$ref", "").rpartition("/")[2]
    return api["components"]["schemas"][name] if name else schema


def _page(template: str, **values: Any) -> Response:
    return HTMLResponse(_PAGES.get_template(template).render(values), headers=_POLICY)
