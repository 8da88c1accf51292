"""What the record of a firing keeps of each action: filled in, bounded, without secrets."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from tests.services.dispatching import call, dispatching, entry, receiving
from tests.waiting import until
from upshot.automations.actions.secrets import masked_headers, masked_url
from upshot.services.definitions.catalog import Catalog
from upshot.services.recording import MOST, shortened

_LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=3000)
_DATA = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


@given(_DATA)
def test_what_is_kept_is_bounded_and_small_things_are_kept_whole(value: Any) -> None:
    kept = shortened(value)
    assert len(to_json(kept)) <= MOST
    if len(to_json(value)) <= MOST:
        assert kept == value


def test_what_is_left_out_is_said_in_its_place() -> None:
    kept = shortened({"text": "x" * 20_000, "list": list(range(9_000)), "n": 3})
    assert kept["text"].endswith(" … (20,000 characters)")
    assert kept["list"][-1] == "… (9,000 items)"
    assert kept["n"] == 3
    assert shortened({str(n): {str(m): "x" * 99 for m in range(50)} for n in range(50)})["…"]


def test_passwords_and_tokens_are_hidden() -> None:
    url = "https://ana:s3cret@host.example/a?api_key=s3cret&page=2"
    assert masked_url(url) == "https://ana:********@host.example/a?api_key=********&page=2"
    plain = "https://host.example:8443/a%20b?x=%2F&monkey=1"
    assert masked_url(plain) == plain
    headers = {"Authorization": "Bearer s3cret", "X-Api-Key": "s3cret", "X-N": "3"}
    assert masked_headers(headers) == {
        "Authorization": "********", "X-Api-Key": "********", "X-N": "3",
    }  # fmt: skip


async def test_a_firing_keeps_each_request_as_it_was_filled_in(store_url: str) -> None:
    async with receiving() as receiver, dispatching(store_url) as service:
        where = receiver.url.replace("//", "//u:s3cret@")
        oncall = {"name": "oncall", "url": where.replace("http", "json")}
        await Catalog(service.store).apply({"receiver": {"oncall": oncall}})
        wanted = entry(
            call(where + "/{{ event.payload.n }}", headers={"X-Token": "s3cret"}),
            call(receiver.url, body={"n": "{{ event.payload.n }}"}, **{"if": "1 < 2"}),
            call(receiver.url, **{"if": "1 > 2"}),
            {"notify": {"to": "oncall", "title": "{{ event.id }}", "retries": 0}},
            {"set-variable": {"name": "token", "value": "s3cret"}},
            {"emit-event": {"event": "{{ event.payload.nothing }}"}},
        )
        await service.send(wanted)
        await service.outcome(wanted["firing"], 5)
        await until(service.idle)
        first, second, third, told, variable, failed = (
            outcome for _, outcome in sorted((await service.outcomes(wanted["firing"])).items())
        )
        assert first["arguments"] == {
            "url": where.replace("s3cret", "********") + "/3",
            "method": "POST",
            "headers": {"X-Token": "********"},
            "body": "(the firing with its events)",
        }
        assert (first["outcome"], first["attempts"]) == ("succeeded", 1)
        assert second["arguments"]["body"] == {"n": 3}
        assert second["if"] == {"expression": "1 < 2", "holds": True}
        assert (third["outcome"], third["if"]["holds"]) == ("skipped", False)
        assert told["arguments"]["title"] == "the-event"
        assert variable["arguments"] == {"name": "token", "value": "********"}
        assert "arguments" not in failed
        assert "s3cret" not in str(await service.outcomes(wanted["firing"]))
        for name in ("action.succeeded", "action.failed"):
            assert all("arguments" not in each["payload"] for each in await service.events(name))
