"""Poison: bodies, events and entries that nobody can digest; all that is good goes through."""

from __future__ import annotations

import http.client
import json
from pathlib import Path

from upshot.events.keys import DISPATCHERS
from upshot.events.store import SyncStore

from .ordeal import rest
from .seen import firings
from .whole import HERE, Whole

_NESTED = '{"a":' * 5000 + "1" + "}" * 5000
_MEAL = '{"id":"%s","event":"meal.served","resource":{"id":"meal.1"},"payload":%s}'
POISON = (
    "",
    "{",
    "[1, 2]",
    "\x00\xff",
    '{"event": "meal.served"}',
    _MEAL % ("not-finite", '{"grams": NaN}'),
    _MEAL % ("too-deep", _NESTED),
    _MEAL % ("half-a-character", r'{"grams": "\ud800"}'),
    _MEAL % ("too-long-a-number", '{"grams": ' + "9" * 5000 + "}"),
    _MEAL % ("too-large", json.dumps({"grams": "x" * 300_000})),
)
DIGESTIBLE = (
    _MEAL % ("no-number", '{"grams": "many"}'),
    _MEAL % ("no-grams", "{}"),
    _MEAL % ("no-spoons", '{"grams": 200, "spoons": 0}'),
    _MEAL % ("a-long-number", '{"grams": 123456789012345678901234567890}'),
    _MEAL % ("strange-letters", '{"grams": 200, "spoons": 1, "\\u0000": "\\u2028 \\ud83d\\ude00"}'),
    _MEAL % ("deep", '{"a":' * 60 + "1" + "}" * 60),
    _MEAL % ("good", '{"grams": 200, "spoons": 4}'),
)


def post(port: int, body: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/api/v1/events", body.encode("utf-8", "surrogatepass"))
    status = connection.getresponse().status
    connection.close()
    return status


def poison_streams(store: SyncStore) -> None:
    """Put rubbish where only Upshot writes."""
    log = ("XADD", store.keys("log"), "*")
    store.execute(*log, "e", b"\xff not JSON")
    store.execute(*log, "o", b"[1]")
    store.execute(*log, "e", b'{"event": "meal.served"}')
    store.execute(*log, "a", "1", "b", "2")
    add = ("XADD", store.keys("actions"), "*")
    store.execute(*add, "f", b"\xff not JSON")
    store.execute(*add, "f", b"{}")
    store.execute(*add, "g", b"no entry at all")
    store.execute("XADD", store.keys("queue", "default"), "*", "r", "no-such-run")
    store.execute("XADD", store.keys("queue", "default"), "*", "x", b"\xff")


def test_poison_is_refused_or_put_aside_and_everything_else_goes_through(tmp_path: Path) -> None:
    with Whole(tmp_path) as whole:
        whole.apply(HERE / "poison.yaml")
        store = whole.store()
        poison_streams(store)
        refused = [post(whole.port, body) for body in POISON]
        taken = [post(whole.port, body) for body in DIGESTIBLE]
        letters = ("dead letters",)
        seen = rest(store, but=letters)
        groups = store.execute("XPENDING", store.keys("actions"), DISPATCHERS)
        found = firings(store)
        store.close()
    assert set(refused) <= {400, 413, 422}, refused
    assert set(taken) == {202}
    assert {name: n for name, n in seen.unfinished.items() if name not in letters} == {}
    assert groups[0] == 0
    assert sum(event.name == "log.unreadable" for event in seen.log) == 4
    content = [call for call in whole.receiver.calls() if call.kind == "content"]
    assert len(content) == len(DIGESTIBLE)
    picky = [each for each in found.values() if each.doc["automation"] == "picky"]
    assert sorted(each.outcomes[0]["outcome"] for each in picky)[0] == "failed"
    assert seen.unfinished["dead letters"] == 3 + sum(
        each.outcomes[0]["outcome"] != "succeeded" for each in picky
    )
