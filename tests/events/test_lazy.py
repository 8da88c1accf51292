"""Faces of packages: each name loads when it is used, once, and others are refused."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from upshot.events.lazy import face


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    made = ModuleType("made_package")
    monkeypatch.setitem(sys.modules, "made_package", made)
    return made


def test_a_name_is_looked_up_once_and_then_stands_in_the_package(package: ModuleType) -> None:
    load = face("made_package", {"json": "dumps loads", "math": "pi"})
    assert load("pi") == 3.141592653589793
    assert vars(package)["pi"] == load("pi")
    assert "dumps" not in vars(package)


def test_the_names_are_known_before_they_are_loaded(package: ModuleType) -> None:
    load = face("made_package", {"no_such_module": "b c", "neither": "a"})
    assert load("__all__") == ["a", "b", "c"]


def test_a_name_that_is_not_offered_is_an_attribute_error(package: ModuleType) -> None:
    with pytest.raises(AttributeError, match="module 'made_package' has no attribute 'tau'"):
        face("made_package", {"math": "pi"})("tau")
