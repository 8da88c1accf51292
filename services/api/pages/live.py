"""Tells pages that something changed: what it is they ask the API, however much it was."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from upshot.events.event import Recorded

from ...history.filters import EventFilter
from ..answers import HEARTBEAT, comment, message, stream
from ..parts import Served

router = APIRouter(include_in_schema=False)

_BETWEEN: Final = 0.5
"""Seconds from one message to the next: thousands of events a second are two looks at them."""

Text = Annotated[str | None, Query(max_length=400)]


@router.get("/live")
async def live(parts: Served, event: Text = None, concerning: Text = None) -> Response:
    """Send the log's position when there is news, from now on, and at most twice a second.

    Args:
        event: names or globs of events that are news. concerning: id of a resource that they
            are about, or that is related to it.
    """
    wanted = EventFilter.of(event, None)

    def is_news(each: Recorded) -> bool:
        return wanted.matches(each) and (concerning is None or concerns(each, concerning))

    following = parts.tail.follow(await parts.tail.end(), _BETWEEN)
    return stream(_messages(following, is_news))


def concerns(event: Recorded, resource: str) -> bool:
    """Tell whether an event is about a resource, or about something that is related to it."""
    return event.resource["id"] == resource or any(each["id"] == resource for each in event.related)


async def _messages(
    batches: AsyncIterator[list[Recorded]], is_news: Callable[[Recorded], bool]
) -> AsyncIterator[bytes]:
    yield comment("from here on")
    said, news = time.monotonic(), ""
    async for batch in batches:
        news = next((each.position for each in reversed(batch) if is_news(each)), news)
        passed = time.monotonic() - said
        if news and passed >= _BETWEEN:
            yield message("news", position=news)
        elif passed >= HEARTBEAT:
            yield comment("alive")
        else:
            continue
        said, news = time.monotonic(), ""
