"""Which headers a receiver gets: Upshot's, the definition's, and who wins."""

from __future__ import annotations

from tests.services.dispatching import call, dispatching, entry, receiving


async def _headers(store_url: str, **given: str) -> dict[str, str]:
    async with receiving() as receiver, dispatching(store_url) as service:
        wanted = entry(call(receiver.url + "/x", headers=given))
        await service.send(wanted)
        await service.outcome(wanted["firing"])
        [(_, headers, _)] = receiver.got
        return {**headers, "firing": wanted["firing"]}


async def test_an_answer_is_asked_for_as_it_is(store_url: str) -> None:
    headers = await _headers(store_url)
    assert headers["Accept-Encoding"] == "identity"
    assert headers["Content-Type"] == "application/json"


async def test_headers_of_the_definition_replace_ours_however_they_are_written(
    store_url: str,
) -> None:
    given = {"user-agent": "me", "content-type": "application/x-mine", "accept-encoding": "gzip"}
    headers = await _headers(store_url, **given)
    assert {name.lower(): value for name, value in headers.items()}.items() >= given.items()
    assert len({name.lower() for name in headers}) == len(headers)


async def test_nobody_replaces_the_idempotency_key(store_url: str) -> None:
    headers = await _headers(store_url, **{"idempotency-key": "mine"})
    keys = [value for name, value in headers.items() if name.lower() == "idempotency-key"]
    assert keys == [f"{headers['firing']}:0"]
