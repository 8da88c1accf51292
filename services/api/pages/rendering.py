"""Makes pages of templates, and lets the browser run nothing but what we serve."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl, quote, urlencode

from fastapi import Request
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from starlette.responses import HTMLResponse, RedirectResponse, Response

from upshot.flows.states import NAMES

from ...exceptions import Refused
from .. import problems
from . import shown

_Asked = TypeVar("_Asked", bound=BaseModel)

_POLICY: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data: http: https:; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # With none at all, browsers would not say where a form comes from, and the guard refuse it.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_TONES: Final = {
    **dict.fromkeys(("Completed", "succeeded", "ok", "passed", "online"), "good"),
    **dict.fromkeys(("Failed", "Crashed", "failed", "dead-lettered", "check failed"), "bad"),
    **dict.fromkeys(("Running", "Pending", "Cancelling", "open"), "busy"),
    **dict.fromkeys(("Paused", "warned", "check warned", "draining"), "wait"),
}
_LINE: Final = 80
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def tone(state: str) -> str:
    """Return the class of the colour of a state, a health or an outcome."""
    return _TONES.get(state) or _TONES.get(NAMES.get(state, ""), "dim")


def seconds_between(start: str | None, end: str | None, now: str | None = None) -> float | None:
    """Return the seconds from one ISO 8601 time to another; without an end, to ``now``."""
    end = end or now
    if start is None or end is None:
        return None
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def duration(seconds: float | None) -> str:
    """Return a length of time as people read it: ``930ms``, ``4.3s``, ``2m 5s``, ``1h 4m``."""
    if seconds is None:
        return ""
    seconds = max(seconds, 0.0)
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < _MINUTE:
        return f"{seconds:.1f}s"
    if seconds < _HOUR:
        return f"{int(seconds // _MINUTE)}m {int(seconds % _MINUTE)}s"
    if seconds < _DAY:
        return f"{int(seconds // _HOUR)}h {int(seconds % _HOUR // _MINUTE)}m"
    return f"{int(seconds // _DAY)}d {int(seconds % _DAY // _HOUR)}h"


def took(run: Mapping[str, Any]) -> str:
    """Return for how long a run has been going on, or did."""
    return duration(seconds_between(run["started"], run["ended"], instant()))


def instant() -> str:
    """Return the present time as ISO 8601."""
    return datetime.now(UTC).isoformat()


def clock(moment: str | int | None) -> str:
    """Return a time as tables show it; Unix ms or ISO 8601."""
    if moment is None:
        return ""
    if isinstance(moment, int):
        moment = datetime.fromtimestamp(moment / 1000, UTC).isoformat(timespec="milliseconds")
    return moment[:19].replace("T", " ")


def path(value: object) -> str:
    """Return a name or id as a part of a path."""
    return quote(str(value), safe="")


def pretty(value: object) -> str:
    """Return a value as people read JSON: in one line where it is short."""
    line = json.dumps(value, ensure_ascii=False)
    return line if len(line) <= _LINE else json.dumps(value, ensure_ascii=False, indent=2)


def query(values: Mapping[str, object], **changes: object) -> str:
    """Return the query of an address, with some values changed; empty ones are left out."""
    told = {name: value for name, value in {**values, **changes}.items() if value}
    return f"?{urlencode(told)}" if told else ""


def _environment() -> Environment:
    pages = Environment(
        loader=PackageLoader("upshot.services.api.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters.update(
        clock=clock, tone=tone, took=took, duration=duration, path=path, pretty=pretty,
        markdown=shown.markdown, table=shown.table,
    )  # fmt: skip
    pages.tests.update(safe_link=shown.is_safe, safe_image=shown.is_safe_image)
    pages.globals.update(query=query)
    return pages


_PAGES: Final = _environment()


def page(template: str, status: int = 200, **values: Any) -> Response:
    """Return a page made of a template."""
    text = _PAGES.get_template(template).render({"problem": None, **values})
    return HTMLResponse(text, status, headers=_POLICY)


async def told(answer: Awaitable[Response]) -> Any:
    """Return the JSON that a handler of the API answers."""
    return from_json(bytes((await answer).body))


def back(address: str) -> Response:
    """Return where to look after a change: at the page itself."""
    return RedirectResponse(address, 303)


async def form_of(request: Request) -> dict[str, str]:
    """Return the fields of a form that was sent; of several values of a field, the last."""
    return dict(
        parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True)
    )


class PageRoute(APIRoute):
    """A route whose problems are told on a page."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def tell(request: Request) -> Response:
            try:
                return await handle(request)
            except problems.KNOWN as error:
                found = await problem_of(error)
                return page("problem.html", found["status"], problem=found)

        return tell


async def problem_of(error: Exception) -> dict[str, Any]:
    """Return what the API answers to an error."""
    answered: dict[str, Any] = await told(problems.tell(error))
    return answered


def request_of(model: type[_Asked], sent: Mapping[str, Any]) -> _Asked:
    """Return the request to the API that a form makes.

    Raises:
        Refused: naming each field that is wrong.
    """
    try:
        return model.model_validate(sent)
    except ValidationError as error:
        wrong = problems.field_errors(error)
        detail = "; ".join(f"{each['field']}: {each['message']}" for each in wrong)
        raise Refused(422, "invalid-request", detail, errors=wrong) from error
