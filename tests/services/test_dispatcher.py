"""The dispatcher and its entries: done in order, once; what somebody has to mend is put aside."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.services.dispatching import Service, call, dispatching, entry, receiving
from tests.waiting import until
from upshot.events.ids import derived_id, new_id


async def test_a_webhook_is_called_with_its_key_and_the_outcome_is_an_event(store_url: str) -> None:
    wanted = entry(
        call("{url}/x?of={{{{ event.resource.name }}}}", headers={"X-N": "{{ event.payload.n }}"})
    )
    async with receiving() as receiver, dispatching(store_url) as service:
        wanted["actions"][0]["call-webhook"]["url"] = (
            receiver.url + "/x?of={{ event.resource.name }}"
        )
        await service.send(wanted)
        outcome = await service.outcome(wanted["firing"])
        assert (outcome["outcome"], outcome["attempts"], outcome["detail"]) == (
            "succeeded", 1, "200 OK",
        )  # fmt: skip
        [(path, headers, _)] = receiver.got
        assert path == "/x"
        assert headers["X-N"] == "3"
        assert headers["Idempotency-Key"] == f"{wanted['firing']}:0"
        assert headers["User-Agent"].startswith("upshot/")
        [body] = receiver.bodies("/x")
        assert body["id"] == wanted["firing"]
        assert body["events"][0]["id"] == "the-event"
        [told] = await service.events("action.succeeded")
        assert told["follows"] == derived_id("triggered", wanted["firing"], "0")
        assert told["causation"]["automations"] == {"auto-1": 1}
        assert told["resource"]["id"] == f"action.{wanted['firing']}.0"
        assert told["related"][0]["role"] == "automation"
        counters = await service.counters()
        assert counters["actions:call-webhook:succeeded"] == "1"
        assert "~event_to_action:sum" in counters
        await until(service.idle)


async def test_actions_run_in_order_and_one_whose_if_is_false_is_skipped(store_url: str) -> None:
    async with receiving() as receiver, dispatching(store_url) as service:
        wanted = entry(
            call(receiver.url + "/1"),
            call(receiver.url + "/2", **{"if": "event.payload.n > 3"}),
            call(receiver.url + "/3", body={"n": "{{ event.payload.n }}"}),
            call(receiver.url + "/4", body="just text", method="PUT"),
        )
        await service.send(wanted)
        await service.outcome(wanted["firing"], 3)
        assert [path for path, _, _ in receiver.got] == ["/1", "/3", "/4"]
        assert receiver.bodies("/3") == [{"n": 3}]
        assert receiver.got[2][2] == b"just text"
        outcomes = await service.outcomes(wanted["firing"])
        assert outcomes["1"]["outcome"] == "skipped"
        assert len(await service.events("action.skipped")) == 1
        await until(service.idle)


@pytest.mark.parametrize(("on_error", "paths"), [("continue", ["/1", "/2"]), ("stop", ["/1"])])
async def test_what_cannot_succeed_is_a_dead_letter_at_once_and_on_error_decides_the_rest(
    store_url: str, on_error: str, paths: list[str]
) -> None:
    async with receiving() as receiver, dispatching(store_url) as service:
        receiver.answers = [(404, {})]
        wanted = entry(call(receiver.url + "/1", on_error=on_error), call(receiver.url + "/2"))
        await service.send(wanted)
        outcome = await service.outcome(wanted["firing"])
        assert (outcome["outcome"], outcome["attempts"]) == ("failed", 1)
        assert outcome["detail"] == "404 Not Found: told why"
        await until(service.idle)
        assert [path for path, _, _ in receiver.got] == paths
        [(_, letter)] = await service.letters()
        assert letter["reason"] == outcome["detail"]
        assert len(await service.events("action.failed")) == 1
        assert len(await service.events("action.dead-lettered")) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b"{}",
        b'{"firing": 3, "actions": "x"}',
        b"\xff\xfe\x00",
        b"[" * 10_000,
    ],
)
async def test_a_poison_entry_becomes_a_dead_letter_and_others_go_on(
    store_url: str, body: bytes
) -> None:
    async with receiving() as receiver, dispatching(store_url) as service:
        wanted = entry(call(receiver.url + "/x"))
        await service.send(body, wanted)
        assert (await service.outcome(wanted["firing"]))["outcome"] == "succeeded"
        await until(service.idle)
        assert len(await service.letters()) == 1
        assert len(await service.events("action.dead-lettered")) == 1


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ({"fly-to-the-moon": {}}, "the definition can't be used"),
        ({"call-webhook": {"url": "http://x", "method": "FLY"}}, "the definition can't be used"),
        ({"call-webhook": {"url": "{{ event.payload.nothing.at }}"}}, "nothing"),
        ({"call-webhook": {"url": "http://x", "if": "event.payload.nothing > 3"}}, "nothing"),
        ({"call-webhook": {"url": "http://0.0.0.0:1/"}}, "not allowed: unspecified"),
        ({"call-webhook": {"url": "http://169.254.169.254/latest"}}, "not allowed: metadata"),
        ({"notify": {"to": "on-call"}}, "did you mean 'oncall'?"),
        ({"run-deployment": {"deployment": "etl/nigtly"}}, "did you mean 'etl/nightly'?"),
        ({"retry-flow-run": {"flow_run": "flow-run.none"}}, "none"),
        ({"retry-flow-run": {}}, "concerns no flow run"),
        ({"emit-event": {"event": "Not A Name"}}, "comes out wrong"),
    ],
)
async def test_what_somebody_has_to_mend_says_what(
    store_url: str, action: dict[str, Any], reason: str
) -> None:
    definitions: dict[str, dict[str, Any]] = {
        "receiver": {"oncall": {"name": "oncall", "url": "json://localhost"}},
        "deployment": {"etl/nightly": {"name": "etl/nightly", "entrypoint": "x.py:f"}},
    }
    async with dispatching(store_url, definitions=definitions) as service:
        wanted = entry(action)
        await service.send(wanted)
        outcome = await service.outcome(wanted["firing"])
        assert outcome["outcome"] == "failed"
        assert reason in outcome["detail"]


async def test_a_group_that_vanished_is_made_again_and_misses_nothing(store_url: str) -> None:
    async with receiving() as receiver, dispatching(store_url) as service:
        first, second = entry(call(receiver.url + "/1")), entry(call(receiver.url + "/2"))
        await service.send(first)
        await service.outcome(first["firing"])
        await service.store.execute("DEL", service.store.keys("actions"))
        await service.send(second)
        await service.outcome(second["firing"])
        assert len(receiver.got) == 2


async def test_settled_actions_are_left_out_when_an_entry_comes_again(store_url: str) -> None:
    async with receiving() as receiver, dispatching(store_url) as service:
        wanted = entry(call(receiver.url + "/1"), call(receiver.url + "/2"))
        await service.send(wanted)
        await until(service.idle)
        await service.send({**wanted, "n": 1})
        await until(service.idle)
        assert [path for path, _, _ in receiver.got] == ["/1", "/2"]
        assert len(await service.events("action.succeeded")) == 2


async def test_the_service_ends_in_order_with_what_it_has_in_hand(store_url: str) -> None:
    async with receiving() as receiver:
        async with dispatching(store_url) as service:
            wanted = entry(call(receiver.url + "/hang"))
            await service.send(wanted)
            await receiver.until_asked(1)
            asyncio.get_running_loop().call_later(0.2, receiver.held.set)
        async with dispatching(store_url) as service:
            assert (await service.outcome(wanted["firing"]))["outcome"] == "succeeded"
        assert receiver.keys == {f"{wanted['firing']}:0": 1}


async def test_a_thousand_entries_are_each_done_once(store_url: str) -> None:
    async with receiving() as receiver, dispatching(store_url) as service:
        wanted = [entry(call(receiver.url + "/x"), firing=new_id()) for _ in range(1000)]
        await service.send(*wanted)
        await until(service.idle)
        assert receiver.keys == {f"{each['firing']}:0": 1 for each in wanted}
        assert len(await service.events("action.succeeded")) == 1000
        assert _nothing_pending(await _pending(service))


async def _pending(service: Service) -> Any:
    return await service.store.execute("XPENDING", service.store.keys("actions"), "dispatchers")


def _nothing_pending(answer: Any) -> bool:
    return answer[0] == 0  # type: ignore[no-any-return]
