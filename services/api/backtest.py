"""Backtests over HTTP: what an automation would have done with the recorded events.

request → definitions → the past, batch by batch → the result, or lines that tell how far it is
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json
from starlette.responses import Response, StreamingResponse

from upshot.automations.trying.backtest import Backtest, difference
from upshot.automations.trying.rendering import Lookups
from upshot.events.exceptions import EventsError

from ..definitions.past import Subject
from ..engine.reading import Reader
from ..exceptions import Refused, ServicesError
from ..history.events import oldest_first
from .answers import answer, moment_ms
from .explain import now_ms, subject_of
from .parts import Parts, Served
from .present import beside, present, told

router = APIRouter(prefix="/api/v1/automations", tags=["automations"])

_EVERY: Final = 20
"""Batches between two lines that tell how far it is."""


class BacktestRequest(BaseModel):
    """What is to be tested.

    Attributes:
        automation: a definition, or the name or id of a stored one.
        against: another one, over the same events; the answer tells the difference.
        since, until: which events: ISO 8601, or how long ago; by default the last 7 days.
        limit: how many firings, and suppressions, the answer has at most; all are counted.
        progress: answer as JSON lines: `{"progress": …}` now and then, then `{"result": …}`.
    """

    model_config = ConfigDict(extra="forbid")

    automation: Annotated[str, Field(min_length=1, max_length=256)] | dict[str, Any]
    against: Annotated[str, Field(min_length=1, max_length=256)] | dict[str, Any] | None = None
    since: str = Field(default="7d", max_length=64)
    until: str | None = Field(default=None, max_length=64)
    limit: int = Field(default=1000, ge=1, le=10_000)
    progress: bool = False


@router.post("/backtest")
async def backtest(parts: Served, request: BacktestRequest) -> Response:
    """Run an automation over the recorded events by the code that runs live, acting on nothing.

    Actions are filled in as they would have been; `variables` and `deployment` are today's, and
    so is what conditions look up.
    """
    now = await now_ms(parts)
    since = moment_ms("since", request.since) or 0
    until = moment_ms("until", request.until) or now
    if until < since:
        errors: list[dict[str, object]] = [{"field": "until", "message": "lies before 'since'"}]
        raise Refused(422, "invalid-request", "until: lies before 'since'", errors=errors)
    subjects = [await subject_of(parts, request.automation)]
    if request.against is not None:
        subjects.append(await subject_of(parts, request.against))
    tests = await _tests(parts, subjects, since, request.limit, now)
    if request.progress:
        lines = _lines(parts, tests, since, min(until, now))
        return StreamingResponse(lines, media_type="application/x-ndjson")
    async for _ in _run(parts, tests, since, min(until, now)):
        pass
    return answer(await _result(tests, min(until, now)))


async def _tests(
    parts: Parts, subjects: list[Subject], since: int, limit: int, now: int
) -> list[Backtest]:
    gaps = await Reader(parts.store).gaps()
    docs = await parts.catalog.all("variable")
    variables = {name: doc.get("value") for name, doc in docs.items()}
    lookups = Lookups(variables, await parts.catalog.all("deployment"))
    given: dict[str, Any] = {"lookups": lookups, "answerer": present(parts, now), "limit": limit}
    return [
        Backtest(
            each.automation, since, gaps, version=each.version, acts_since=each.acts_since, **given
        )
        for each in subjects
    ]


async def _run(parts: Parts, tests: list[Backtest], since: int, until: int) -> AsyncIterator[int]:
    """Feed the past to the tests; yield how far it is, in ms."""
    async for batch in oldest_first(parts.store, parts.archive, since=since, until=until):
        for test in tests:
            await beside(test.automation, test.feed, batch)
        yield batch[-1].received


async def _result(tests: list[Backtest], until: int) -> dict[str, Any]:
    # What is due at the last millisecond is due: the log is read past it.
    finished = [await beside(test.automation, test.finish, until + 1) for test in tests]
    results = [each.to_dict() for each in finished]
    result = {**results[0], **told(*(test.automation for test in tests))}
    if len(tests) == 1:
        return result
    against = {"automation": tests[1].automation.name, "counts": results[1]["counts"]}
    return {**result, "against": {**against, **difference(*tests)}}


async def _lines(
    parts: Parts, tests: list[Backtest], since: int, until: int
) -> AsyncIterator[bytes]:
    """Yield a line now and then, and the result as the last one; or what went wrong."""
    count = 0
    try:
        async for at in _run(parts, tests, since, until):
            count += 1
            if count % _EVERY == 1:
                line = {"events": tests[0].result.events, "since": since, "at": at, "until": until}
                yield to_json({"progress": line}) + b"\n"
        yield to_json({"result": await _result(tests, until)}) + b"\n"
    except (EventsError, ServicesError) as error:  # the status is sent: the line tells of it
        yield to_json({"error": str(error)}) + b"\n"
