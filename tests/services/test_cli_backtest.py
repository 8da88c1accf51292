"""What a backtest prints of the difference of two versions."""

from __future__ import annotations

from typing import Any

from upshot.services.cli import times
from upshot.services.cli.backtest import difference


def fired(at: int, bucket: str = "x") -> dict[str, Any]:
    return {"at": at, "bucket": bucket, "position": f"{at}-0"}


def test_firings_of_one_side_are_listed_in_order_with_their_side() -> None:
    against = {"only_this": [fired(3000, "\x1b[2J")], "only_against": [fired(1000), fired(5000)]}
    assert list(difference(against)) == [
        f"- {times.local(1000)}  x",
        f"+ {times.local(3000)}  \\x1b[2J",
        f"- {times.local(5000)}  x",
    ]


def test_of_many_only_the_first_are_listed() -> None:
    lines = list(difference({"only_this": [fired(n) for n in range(1500)], "only_against": []}))
    assert len(lines) == 21
    assert lines[-1] == "… and 1,480 more"
