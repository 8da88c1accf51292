"""The keys: one slot for a shard, and every key that a function makes up is written down."""

from __future__ import annotations

import re
from importlib.resources import files

from upshot.events import keys
from upshot.events.keys import Keys


def test_all_keys_of_a_shard_share_its_hash_tag() -> None:
    shard = Keys(3)
    assert shard("run", "x") == "upshot:{3}:run:x"
    assert shard.root == "upshot:{3}"
    assert shard() == shard.root


def test_every_key_that_the_functions_touch_is_documented() -> None:
    documented = re.findall(r"``([a-z:-]+)", keys.__doc__ or "")
    folder = files("upshot.events").joinpath("functions")
    made = {
        name
        for part in folder.iterdir()
        for name in re.findall(r"(?:root|keys\[1\]) \.\. ':([a-z:-]+)", part.read_text())
    }
    families = tuple(name for name in documented if name.endswith(":"))
    assert len(made) > 20
    assert {
        name for name in made if name not in documented and not name.startswith(families)
    } == set()
