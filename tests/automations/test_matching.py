"""Labels match as people write them, and a mismatch says which label it was."""

from __future__ import annotations

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upshot.automations.matching import LabelMatch, glob


@pytest.mark.parametrize(
    ("spec", "resource", "matches"),
    [
        ({}, {"id": "1"}, True),
        ({"name": "a"}, {"name": "a"}, True),
        ({"name": "a"}, {"name": "ab"}, False),
        ({"name": "a"}, {}, False),
        ({"name": "nightly-*"}, {"name": "nightly-1"}, True),
        ({"name": "*-a-*"}, {"name": "x-a-y"}, True),
        ({"name": "*"}, {}, False),
        ({"name": ["a", "b"]}, {"name": "b"}, True),
        ({"name": ["a", "b"]}, {"name": "c"}, False),
        ({"name": "!a"}, {"name": "b"}, True),
        ({"name": "!a"}, {"name": "a"}, False),
        ({"name": "!a"}, {}, True),
        ({"name": "!a*"}, {"name": "ab"}, False),
        ({"name": ["!a", "!b"]}, {"name": "a"}, False),
        ({"name": ["!a", "!b"]}, {"name": "c"}, True),
        ({"name": ["x*", "!x1"]}, {"name": "x1"}, False),
        ({"name": ["x*", "!x1"]}, {"name": "x2"}, True),
        ({"name": ["x*", "!x1"]}, {}, False),
        ({"name": "a", "env": "prod"}, {"name": "a", "env": "dev"}, False),
        ({"name": "a", "env": "prod"}, {"name": "a", "env": "prod"}, True),
        ({"name": "a.c"}, {"name": "abc"}, False),
    ],
)
def test_labels_match_as_written(
    spec: dict[str, str | list[str]], resource: dict[str, str], matches: bool
) -> None:
    assert (LabelMatch(spec).mismatch(resource) is None) is matches


def test_a_mismatch_names_the_first_label_with_what_was_expected_and_found() -> None:
    mismatch = LabelMatch({"env": "prod", "name": ["nightly-*", "x"]}).mismatch(
        {"env": "prod", "name": "hourly-a"}
    )
    assert str(mismatch) == "name 'nightly-*' or 'x': actual 'hourly-a'"
    assert "missing" in str(LabelMatch({"name": "a"}).mismatch({}))


def test_some_related_resource_must_match_and_the_nearest_one_explains_itself() -> None:
    spec = LabelMatch({"role": "deployment", "name": "etl/nightly"})
    flow, deployment = {"role": "flow", "name": "etl"}, {"role": "deployment", "name": "etl/hourly"}
    assert spec.mismatch_among([flow, {"role": "deployment", "name": "etl/nightly"}]) is None
    assert "etl/hourly" in str(spec.mismatch_among([flow, deployment]))
    assert spec.mismatch_among([]) is not None
    assert LabelMatch({}).mismatch_among([]) is None


@pytest.mark.parametrize("wrong", [{"a": 1}, {"a": []}, {"a": [None]}, {1: "a"}])
def test_values_that_are_no_text_are_refused(wrong: dict[str, list[str]]) -> None:
    with pytest.raises(ValueError, match="label"):
        LabelMatch(wrong)  # type: ignore[arg-type]


@given(pattern=st.text("ab*.", max_size=8), text=st.text("ab.\n", max_size=12))
def test_globs_mean_what_shells_mean_by_a_star(pattern: str, text: str) -> None:
    expected = re.fullmatch(fnmatch.translate(pattern), text) is not None
    assert (glob(pattern).fullmatch(text) is not None) is expected


def test_a_glob_of_many_stars_does_not_go_back_for_ever() -> None:
    assert glob("*a" * 40 + "b").fullmatch("a" * 1024) is None


@given(
    value=st.text("abc", max_size=3),
    values=st.lists(st.text("abc", max_size=3), min_size=1, max_size=4),
)
def test_negating_every_value_negates_the_match(value: str, values: list[str]) -> None:
    positive = LabelMatch({"x": values}).mismatch({"x": value}) is None
    negative = LabelMatch({"x": [f"!{each}" for each in values]}).mismatch({"x": value}) is None
    assert positive is not negative
