"""Functions on their way to other processes: found by name there, or told that they are not."""

from __future__ import annotations

import json

import pytest

from upshot.flows.exceptions import OtherCode
from upshot.flows.runners.shipping import Shipped, ship


def test_a_function_that_can_be_imported_goes_by_its_name() -> None:
    sent = ship(json.dumps)
    assert sent == Shipped("json", "dumps")
    assert sent.load() is json.dumps


def test_a_method_goes_with_what_it_is_a_method_of() -> None:
    assert ship(json.JSONEncoder(indent=1).encode).load()([1]) == "[\n 1\n]"


def test_a_module_of_the_same_name_with_other_code_is_told() -> None:
    """As where a cluster's worker imports another file of that name first."""
    with pytest.raises(OtherCode, match=r"json is .*__init__.py here, which has no parse"):
        Shipped("json", "parse").load()
