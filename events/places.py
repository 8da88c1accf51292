"""Places in a sorted set that is listed newest first: cursors that outlive what they name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final, NamedTuple

from .store import Store

_PAGE: Final = 200


class Place(NamedTuple):
    """Where something stands in a list by age; later ones are greater.

    Attributes:
        ms: its score, Unix ms. id: its id, which orders what has the same score.
    """

    ms: int
    id: str

    @classmethod
    def parse(cls, text: str) -> Place:
        """Read a place as ``str`` writes it.

        Raises:
            ValueError: it is not of the form ``<milliseconds>-<id>``.
        """
        ms, dash, member = text.partition("-")
        if not (dash and member and ms.isascii() and ms.isdigit()):
            raise ValueError("a cursor is the `next` of the page before")
        return cls(int(ms), member)

    def __str__(self) -> str:
        return f"{self.ms}-{self.id}"


async def newest_first(
    store: Store,
    key: str,
    *,
    before: Place | None = None,
    since: int | None = None,
    until: int | None = None,
    page: int = _PAGE,
) -> AsyncIterator[list[Place]]:
    """Yield the members of a sorted set in pages, newest first, whatever comes and goes meanwhile.

    Args:
        before: only what stands before (is older than) this place, which may be gone itself.
        since, until: Unix ms, both included. page: how many are asked for at once, in the end.
    """
    low = "-inf" if since is None else str(since)
    high = min((each for each in (until, before and before.ms) if each is not None), default=None)
    skipped, size = 0, min(_PAGE, page)
    while True:
        top = "+inf" if high is None else str(high)
        pairs = await store.execute(
            "ZREVRANGEBYSCORE", key, top, low, "WITHSCORES", "LIMIT", skipped, size
        )
        places = [Place(int(score), member.decode()) for member, score in pairs]
        fresh = [place for place in places if before is None or place < before]
        if fresh:
            yield fresh
            before, high, skipped = fresh[-1], fresh[-1].ms, 0
        else:  # all of them share one moment and were told already
            skipped += len(places)
        if len(places) < size:
            return
        size = min(2 * size, page)  # who goes on looks for something rare
