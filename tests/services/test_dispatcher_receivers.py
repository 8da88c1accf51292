"""The dispatcher and receivers that are down, slow, silent, elsewhere or out of bounds."""

from __future__ import annotations

from tests.services.dispatching import call, dispatching, entry, receiving
from tests.waiting import until
from upshot.events.settings import Settings


async def test_a_receiver_that_is_down_is_tried_again_until_it_is_back(store_url: str) -> None:
    async with receiving() as receiver, dispatching(store_url) as service:
        receiver.answers = [(503, {}), (500, {}), (429, {})]
        wanted = entry(call(receiver.url + "/x"))
        await service.send(wanted)
        outcome = await service.outcome(wanted["firing"])
        assert (outcome["outcome"], outcome["attempts"]) == ("succeeded", 4)
        assert receiver.keys == {f"{wanted['firing']}:0": 4}
        assert await service.events("action.failed") == []
        counters = await service.counters()
        assert counters["actions:call-webhook:succeeded"] == "1"


async def test_used_up_tries_end_among_the_dead_letters_and_a_replay_does_it(
    store_url: str,
) -> None:
    async with receiving() as receiver, dispatching(store_url) as service:
        receiver.answers = [(500, {})] * 3
        wanted = entry(call(receiver.url + "/x", retries=2), call(receiver.url + "/ok"))
        await service.send(wanted)
        outcome = await service.outcome(wanted["firing"])
        assert (outcome["outcome"], outcome["attempts"]) == ("dead-lettered", 3)
        await until(service.idle)
        [(letter_id, letter)] = await service.letters()
        assert (letter["index"], letter["automation"]) == (0, "orders")
        await service.replay(letter_id, letter)
        await until(service.idle)
        outcome = await service.outcome(wanted["firing"])
        assert (outcome["outcome"], outcome["attempts"]) == ("succeeded", 1)
        assert await service.letters() == []
        assert receiver.keys == {f"{wanted['firing']}:0": 4, f"{wanted['firing']}:1": 1}


async def test_a_receiver_is_not_asked_again_before_the_time_it_asked_for(store_url: str) -> None:
    async with receiving() as receiver, dispatching(store_url) as service:
        receiver.answers = [(429, {"Retry-After": "1"})]
        wanted = entry(call(receiver.url + "/x"))
        await service.send(wanted)
        await service.outcome(wanted["firing"])
        first, second = receiver.times
        assert second - first >= 1.0


async def test_a_try_without_an_answer_ends_with_its_timeout(store_url: str) -> None:
    async with receiving() as receiver, dispatching(store_url) as service:
        wanted = entry(call(receiver.url + "/hang", timeout="50ms", retries=1))
        await service.send(wanted)
        outcome = await service.outcome(wanted["firing"])
        assert (outcome["outcome"], outcome["attempts"]) == ("dead-lettered", 2)
        assert outcome["detail"] == "no answer within 0.05 s"


async def test_a_receiver_that_never_answers_does_not_stall_the_others(store_url: str) -> None:
    settings = Settings(lease=1.0, action_concurrency=8)
    async with (
        receiving() as receiver,
        receiving() as other,
        dispatching(store_url, settings) as service,
    ):
        hanging = [entry(call(receiver.url + "/hang", timeout="1h")) for _ in range(50)]
        await service.send(*hanging)
        await receiver.until_asked(4)
        wanted = entry(call(other.url + "/x"))
        await service.send(wanted)
        assert (await service.outcome(wanted["firing"]))["outcome"] == "succeeded"
        assert len(receiver.got) == 4
        receiver.held.set()
        await until(service.idle)
        assert receiver.keys == {f"{each['firing']}:0": 1 for each in hanging}


async def test_redirects_are_not_followed_and_a_long_answer_is_cut_off(store_url: str) -> None:
    async with receiving() as receiver, dispatching(store_url) as service:
        moved, endless = (
            entry(call(receiver.url + "/moved")),
            entry(call(receiver.url + "/endless")),
        )
        await service.send(moved, endless)
        outcome = await service.outcome(moved["firing"])
        assert (outcome["outcome"], "redirects are not followed" in outcome["detail"]) == (
            "failed", True,
        )  # fmt: skip
        assert (await service.outcome(endless["firing"]))["outcome"] == "succeeded"
        assert "/ok" not in [path for path, _, _ in receiver.got]


async def test_private_addresses_are_refused_where_they_may_not_be_called(store_url: str) -> None:
    settings = Settings(lease=1.0, allow_private_webhooks=False)
    async with receiving() as receiver, dispatching(store_url, settings) as service:
        urls = [receiver.url, receiver.url.replace("127.0.0.1", "localhost")]
        wanted = [entry(call(url)) for url in urls]
        await service.send(*wanted)
        for each in wanted:
            outcome = await service.outcome(each["firing"])
            assert (outcome["outcome"], outcome["detail"]) == (
                "failed", "the address is not allowed: loopback",
            )  # fmt: skip
        assert receiver.got == []
