"""Explanations over HTTP: why an automation fires on an event, or did not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final, Self

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from starlette.responses import Response

from upshot.automations.trying.explanation import Explainer, Explanation
from upshot.events.event import Event, Recorded
from upshot.events.ids import new_id

from ..definitions.names import resolve
from ..definitions.past import Subject, find_event, of_body, of_name, reach_ms
from ..engine.reading import Reader
from ..exceptions import Refused
from ..history.events import oldest_first
from .answers import answer, moment_ms
from .checking import check_one
from .parts import Parts, Served
from .present import beside, present, told
from .problems import field_errors

router = APIRouter(prefix="/api/v1/automations", tags=["automations"])

DAY_MS: Final = 86_400_000
USUALLY_FOLLOWED: Final = 250_000
MOST_FOLLOWED: Final = 1_000_000
"""Events of the past that one explanation follows: so many take some ten seconds."""


class ExplainRequest(BaseModel):
    """What is to be explained.

    Attributes:
        automation: the name or id of a stored one, or a definition.
        event: the id of a recorded event, or an event as if it came now.
        last: instead, the latest events that were waited for and did not fire: how many.
        since: how far back the past is looked at; by default a day before the event, or as far as
            some hundred thousand events reach.
    """

    model_config = ConfigDict(extra="forbid")

    automation: Annotated[str, Field(min_length=1, max_length=256)] | dict[str, Any]
    event: Annotated[str, Field(min_length=1, max_length=200)] | dict[str, Any] | None = None
    last: int | None = Field(default=None, ge=1, le=100)
    since: str | None = Field(default=None, max_length=64)

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        if (self.event is None) == (self.last is None):
            raise ValueError("give either 'event' or 'last'")
        return self


@router.post("/explain")
async def explain(parts: Served, request: ExplainRequest) -> Response:
    """Explain what an automation does on an event: each part's verdict, expected against actual.

    The past before the event is evaluated as the engine does it, and nothing is acted on; what
    conditions look up is what there is now.
    `last` answers `{"items": […]}`, the latest near misses, newest first.
    """
    subject = await subject_of(parts, request.automation)
    since = moment_ms("since", request.since)
    now = await now_ms(parts)
    if request.event is None:
        earliest = await _earliest(parts, now) if since is None else since
        misses = await _near_misses(parts, subject, earliest, now, request.last or 1)
        items = [each.to_dict() for each in misses]
        return answer({"items": items, **told(subject.automation)})
    event = await _event_of(parts, request.event, now)
    earliest = await _earliest(parts, event.received) if since is None else since
    begins = subject.begins(earliest, event.received)
    explained = await _explained(parts, subject, event, begins)
    begun = {"version": subject.version, "since": begins}
    return answer({**explained.to_dict(), **begun, **told(subject.automation)})


async def subject_of(parts: Parts, automation: str | dict[str, Any]) -> Subject:
    """Return the definition that a request means.

    Raises:
        NotFound: no stored one has the name. Refused: 422, the definition is wrong.
    """
    if isinstance(automation, dict):
        return of_body(check_one("automations", automation))
    return await of_name(parts.catalog, await resolve(parts.catalog, "automation", automation))


async def now_ms(parts: Parts) -> int:
    """Return the store's clock in Unix ms."""
    seconds, micros = await parts.store.execute("TIME")
    return int(seconds) * 1000 + int(micros) // 1000


async def _event_of(parts: Parts, given: str | dict[str, Any], now: int) -> Recorded:
    if isinstance(given, str):
        return await find_event(parts.store, parts.archive, given)
    body = {key: value for key, value in given.items() if key not in ("received", "position")}
    try:
        event = Event.model_validate({"id": new_id(), **body})
    except ValidationError as error:
        errors = field_errors(error)
        detail = f"event.{errors[0]['field']}: {errors[0]['message']}"
        raise Refused(422, "invalid-event", detail, errors=errors) from error
    return Recorded(f"{now}-0", now, event.model_dump(mode="json"))


async def _explainer(parts: Parts, subject: Subject, since: int) -> Explainer:
    gaps = await Reader(parts.store).gaps()
    answerer = present(parts, await now_ms(parts))
    return Explainer(subject.automation, since, gaps, subject.version, answerer, subject.acts_since)


async def _explained(parts: Parts, subject: Subject, event: Recorded, since: int) -> Explanation:
    """Follow the past up to the event, then explain it."""
    explainer = await _explainer(parts, subject, since)
    async for batch in _followed(parts, since, event.received):
        positions = [each.position for each in batch]
        found = event.position in positions
        before = batch[: positions.index(event.position)] if found else batch
        await beside(subject.automation, explainer.follow_all, before)
        if found:
            break
    return await beside(subject.automation, explainer.explain, event)


async def _earliest(parts: Parts, until: int) -> int:
    """Return where to begin where nobody says: where many events come, later than a day before."""
    return max(until - DAY_MS, until - await reach_ms(parts.store, USUALLY_FOLLOWED))


async def _followed(parts: Parts, since: int, until: int) -> AsyncIterator[list[Recorded]]:
    """Yield the past, batch by batch.

    Raises:
        Refused: 422, there is too much of it.
    """
    count = 0
    async for batch in oldest_first(parts.store, parts.archive, since=since, until=until):
        count += len(batch)
        if count > MOST_FOLLOWED:
            message = f"more than {MOST_FOLLOWED:,} events came since then; say a later time"
            errors: list[dict[str, object]] = [{"field": "since", "message": message}]
            raise Refused(422, "invalid-request", f"since: {message}", errors=errors)
        yield batch


async def _near_misses(
    parts: Parts, subject: Subject, earliest: int, now: int, last: int
) -> list[Explanation]:
    since = subject.begins(earliest, now)
    explainer = await _explainer(parts, subject, since)
    misses: list[Explanation] = []
    async for batch in _followed(parts, since, now):
        found = await beside(subject.automation, explainer.near_misses, batch, last)
        misses = [*found, *misses][:last]
    return misses
