"""docs/architecture.md knows the rooms: each room within a room has its line there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("room", ["flows", "automations"])
def test_each_room_within_a_room_has_its_line(room: str) -> None:
    there = {f"{room}/{init.parent.name}/" for init in (ROOT / room).glob("*/__init__.py")}
    assert there == set(re.findall(rf"^\| `({room}/[a-z]+/)` \|", TEXT, re.MULTILINE))


def test_files_that_it_names_are_there() -> None:
    named = set(re.findall(r"`((?:events|flows|automations|services)/[\w/]+(?:\.py|/))`", TEXT))
    assert named
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


def test_the_way_of_a_run_goes_through_files_that_are_there() -> None:
    way = TEXT.partition("### The way of a run")[2].partition("\n#")[0]
    named = set(re.findall(r"`([a-z]+/\w+\.py)`", way))
    assert named
    assert sorted(name for name in named if not (ROOT / "flows" / name).exists()) == []
