"""Puts what pydantic finds wrong into words for the person who wrote the file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from .actions import ACTIONS
from .marked_yaml import Marked, Path
from .suggestions import did_you_mean

_WORDS = {
    "missing": "is required",
    "dict_type": "a mapping is expected",
    "model_type": "a mapping is expected",
    "list_type": "a list is expected",
    "tuple_type": "a list is expected",
    "string_type": "text is expected; put it in quotes",
    "bool_type": "true or false is expected",
    "bool_parsing": "true or false is expected",
    "int_parsing": "a whole number is expected",
    "int_type": "a whole number is expected",
    "too_short": "must not be empty",
}


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
    if kind == "extra_forbidden":
        known = _keys(_models_at(root, location[:-1]))
        return _path(location, marked), True, f"unknown key{did_you_mean(str(location[-1]), known)}"
    if kind == "action":
        return _path(location, marked), False, _unknown_action(problem)
    path = _path(location, marked)
    if kind == "missing":
        return (*path, str(location[-1])), False, _WORDS[kind]
    return path, False, _WORDS.get(kind) or _message(problem)


def _message(problem: ErrorDetails) -> str:
    message = problem["msg"].removeprefix("Value error, ")
    context = problem.get("ctx", {})
    if problem["type"] in {"literal_error", "enum"}:
        listed = str(context["expected"]).replace(" or ", ",")
        choices = {each.strip("' ") for each in listed.split(",")}
        return f"must be {context['expected']}{did_you_mean(str(problem['input']), choices)}"
    if problem["type"] == "string_pattern_mismatch":
        return f"does not fit the pattern {context['pattern']}"
    return message[:1].lower() + message[1:] if message[:2].istitle() else message


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
