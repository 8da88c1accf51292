"""The queue in front of the log: together, in order, bounded, and nobody is left waiting."""

from __future__ import annotations

import asyncio

import pytest

from upshot.events.exceptions import StoreFull
from upshot.events.log import Appended
from upshot.services.api import appender
from upshot.services.api.appender import Appender, Item
from upshot.services.exceptions import Overloaded


class Sink:
    """A log that notes what it was given and waits until it may go on."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.batches: list[list[Item]] = []
        self.error: Exception | None = None

    async def append(self, items: list[Item]) -> Appended:
        self.batches.append(items)
        await self.open.wait()
        if self.error:
            raise self.error
        return Appended([None if item[0] == "known" else "1-1" for item in items])


def items(*ids: str) -> list[Item]:
    return [(each, b"{}") for each in ids]


async def test_what_gathers_during_a_write_is_written_together() -> None:
    sink = Sink()
    queue = Appender(sink.append)
    queue.start()
    requests = [asyncio.create_task(queue.submit(items(f"a{n}", "known"))) for n in range(10)]
    await asyncio.sleep(0.05)
    requests += [asyncio.create_task(queue.submit(items(f"b{n}"))) for n in range(10)]
    await asyncio.sleep(0.05)
    sink.open.set()
    answers = await asyncio.gather(*requests)
    await queue.close()
    assert [answer.duplicates for answer in answers] == [1] * 10 + [0] * 10
    assert len(sink.batches) <= 3
    written = [item[0] for batch in sink.batches for item in batch if item[0] != "known"]
    assert written == [f"a{n}" for n in range(10)] + [f"b{n}" for n in range(10)]


async def test_a_failure_reaches_everybody_whose_events_were_in_the_batch() -> None:
    sink = Sink()
    sink.error = StoreFull("OOM")
    queue = Appender(sink.append)
    queue.start()
    requests = [asyncio.create_task(queue.submit(items("a"))) for _ in range(5)]
    sink.open.set()
    failed = await asyncio.gather(*requests, return_exceptions=True)
    assert all(isinstance(error, StoreFull) for error in failed)
    sink.error = None
    assert (await queue.submit(items("b"))).accepted == 1
    await queue.close()


async def test_more_than_may_wait_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(appender, "MOST_EVENTS_WAITING", 3)
    queue = Appender(Sink().append)  # not started: everything waits
    waiting = asyncio.create_task(queue.submit(items("a", "b", "c")))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await queue.submit(items("d"))
    waiting.cancel()


async def test_what_waits_is_written_before_the_end_and_nothing_after_it() -> None:
    sink = Sink()
    queue = Appender(sink.append)
    queue.start()
    request = asyncio.create_task(queue.submit(items("a")))
    await asyncio.sleep(0)
    closing = asyncio.create_task(queue.close())
    sink.open.set()
    assert (await request).accepted == 1
    await closing
    with pytest.raises(Overloaded):
        await queue.submit(items("b"))


async def test_a_client_that_left_does_not_stop_the_others() -> None:
    sink = Sink()
    queue = Appender(sink.append)
    queue.start()
    left = asyncio.create_task(queue.submit(items("a")))
    stays = asyncio.create_task(queue.submit(items("b")))
    await asyncio.sleep(0.01)
    left.cancel()
    sink.open.set()
    assert (await stays).accepted == 1
    await queue.close()
