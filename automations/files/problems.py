"""Tells what is wrong with a definition: where in the file, and which key or value was meant."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from upshot.events import wording

from ..actions import ACTIONS
from ..suggestions import did_you_mean
from .marked_yaml import Marked, Path


def describe(
    problem: ErrorDetails, root: type[BaseModel], marked: Marked
) -> tuple[Path, bool, str]:
    """Return the path of a problem, whether its key is meant, and what is wrong.

    Args:
        problem: as ``ValidationError.errors()`` gives it.
        root: the model that was validated.
        marked: the document, to tell the file's own keys from pydantic's.
    """
    location, kind = problem["loc"], problem["type"]
    path, what = _path(location, marked), in_words(problem, root)
    if kind == "missing":
        return (*path, str(location[-1])), False, what
    return path, kind == "extra_forbidden", what


def in_words(problem: ErrorDetails, root: type[BaseModel]) -> str:
    """Return what is wrong with a field of ``root``, with the key or value that was meant."""
    location, kind = problem["loc"], problem["type"]
    if kind == "extra_forbidden":
        known = _keys(_models_at(root, location[:-1]))
        return f"unknown key{did_you_mean(str(location[-1]), known)}"
    if kind == "action":
        return _unknown_action(problem)
    if kind in {"literal_error", "enum"}:
        return _unknown_choice(problem)
    return wording.in_words(problem)


def _unknown_choice(problem: ErrorDetails) -> str:
    expected = str(problem.get("ctx", {})["expected"])
    choices = {each.strip("' ") for each in expected.replace(" or ", ",").split(",")}
    return f"must be {expected}{did_you_mean(str(problem['input']), choices)}"


def _unknown_action(problem: ErrorDetails) -> str:
    written = problem["input"]
    if not isinstance(written, dict) or len(written) != 1:
        return problem["msg"]
    name = str(next(iter(written)))
    known = ", ".join(sorted(ACTIONS))
    return f"unknown action '{name}'{did_you_mean(name, ACTIONS) or f'; there are {known}'}"


def _path(location: Iterable[str | int], marked: Marked) -> Path:
    """Return the part of a location that the file really has."""
    path: Path = ()
    for part in location:
        if (*path, part) in marked.values:
            path = (*path, part)
    return path


def _keys(models: set[type[BaseModel]]) -> set[str]:
    return {each.alias or name for model in models for name, each in model.model_fields.items()}


def _models_at(root: type[BaseModel], location: Iterable[str | int]) -> set[type[BaseModel]]:
    """Return the models that may stand at a location below ``root``."""
    models = {root}
    for part in location:
        if isinstance(part, str):
            models = set(_below(models, part)) or models
    return models


def _below(models: set[type[BaseModel]], part: str) -> Iterable[type[BaseModel]]:
    for model in models:
        if getattr(model, "type", None) == part or _tag(model) == part:
            yield model
        for name, each in model.model_fields.items():
            if part in (name, each.alias):
                yield from _models_in(each.annotation)


def _tag(model: type[BaseModel]) -> str | None:
    """Return what stands for a kind of trigger in a location."""
    field = model.model_fields.get("type")
    return None if field is None else f"type={field.default}"


def _models_in(annotation: Any) -> Iterable[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
