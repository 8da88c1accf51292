"""What dispatchers did not survive is found out and given up; what was merely beside it goes on."""

from __future__ import annotations

import os
import signal

from tests.services.dispatching import call, dispatching, entry, joined, receiving
from tests.services.test_dispatcher_crash import process
from tests.waiting import until
from upshot.events.settings import Settings
from upshot.services.dispatcher.suspects import MOST_BEGINNINGS, SUSPECT


async def test_an_entry_given_out_many_times_is_still_done(store_url: str) -> None:
    async with receiving() as receiver, dispatching(store_url) as service:
        often = entry(call(receiver.url + "/x"), n=50)
        await service.send(often)
        assert (await service.outcome(often["firing"]))["outcome"] == "succeeded"


async def test_suspects_are_done_one_at_a_time_and_others_beside_them(store_url: str) -> None:
    async with receiving() as receiver, dispatching(store_url) as service:
        suspects = [entry(call(receiver.url + "/hang"), n=SUSPECT) for _ in range(3)]
        other = entry(call(receiver.url + "/x"))
        await service.send(*suspects, other)
        await service.outcome(other["firing"])
        assert len([path for path, _, _ in receiver.got if path == "/hang"]) == 1
        receiver.held.set()
        await until(service.idle)
        assert len(receiver.keys) == 4


async def test_what_kills_dispatchers_is_given_up_and_its_neighbours_come_through(
    store_url: str,
) -> None:
    settings = Settings(lease=0.6)
    async with receiving() as receiver, joined(store_url, settings) as service:
        deadly = entry(call(receiver.url + "/hang"), call(receiver.url + "/rest"), n=SUSPECT)
        neighbours = [entry(call(receiver.url + "/x"), n=SUSPECT) for _ in range(20)]
        await service.send(*neighbours[:10], deadly, *neighbours[10:])
        key = f"{deadly['firing']}:0"
        for times in range(1, MOST_BEGINNINGS + 1):
            with process(store_url) as pid:
                await receiver.until_asked(times, key)
                os.kill(pid, signal.SIGKILL)
        with process(store_url):
            await until(service.idle)
        outcomes = await service.outcomes(deadly["firing"])
        assert [outcomes[each]["outcome"] for each in "01"] == ["dead-lettered", "succeeded"]
        assert len(await service.letters()) == 1
        for each in neighbours:
            assert (await service.outcome(each["firing"]))["outcome"] == "succeeded"
        assert receiver.keys[key] == MOST_BEGINNINGS
