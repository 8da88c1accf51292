"""Nested JSON whose texts are templates, such as the body of a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, ValidationInfo

from .template import Template, validated


def _compile_data(value: Any, info: ValidationInfo, depth: int = 0) -> Any:
    """Compile every text within nested data."""
    if depth > 32:
        raise ValueError("nested deeper than 32")
    if isinstance(value, str | Template):
        return validated(value, info)
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise ValueError("keys must be text; put them in quotes")
        return {key: _compile_data(item, info, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_compile_data(item, info, depth + 1) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    raise ValueError(f"a {type(value).__name__} is no JSON")


def _compile(value: Any, info: ValidationInfo) -> Any:
    return _compile_data(value, info)


def _sources(value: Any) -> Any:
    if isinstance(value, Template):
        return value.source
    if isinstance(value, dict):
        return {key: _sources(item) for key, item in value.items()}
    return [_sources(item) for item in value] if isinstance(value, list) else value


TemplateData = Annotated[Any, BeforeValidator(_compile), PlainSerializer(_sources)]
"""Nested JSON whose texts are templates."""


def render_data(value: Any, variables: Mapping[str, Any]) -> Any:
    """Fill in every template within nested data.

    Raises:
        TemplateFailed: as :meth:`Template.render`.
    """
    if isinstance(value, Template):
        return value.render(variables)
    if isinstance(value, dict):
        return {key: render_data(item, variables) for key, item in value.items()}
    return [render_data(item, variables) for item in value] if isinstance(value, list) else value
