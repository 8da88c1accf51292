"""The set-variable action: gives a variable a value."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final

from pydantic import field_validator

from ..exceptions import TemplateFailed
from ..templates.data import TemplateData, render_data
from ..templates.template import Template
from .base import BaseAction, Variables
from .secrets import HIDDEN

VARIABLE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class SetVariable(BaseAction):
    """Gives a variable a value; one that is not there yet is made.

    Attributes:
        name: templates call it ``variables.<name>``.
        value: any JSON; a lone ``{{ expression }}`` keeps its type.
    """

    type: ClassVar[str] = "set-variable"

    name: Template
    value: TemplateData

    @field_validator("name")
    @classmethod
    def _a_name(cls, name: Template) -> Template:
        if name.is_plain and (why := _refusal(name.source.strip())):
            raise ValueError(why)
        return name

    def arguments(self, variables: Variables) -> dict[str, Any]:
        """Return ``name`` and ``value``."""
        name = self.name.render_text(variables).strip()
        if why := _refusal(name):
            raise TemplateFailed(f"name: {why}")
        return {"name": name, "value": render_data(self.value, variables)}

    def told(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments without the value: a variable may hold a secret."""
        return {**arguments, "value": HIDDEN}


def _refusal(name: str) -> str | None:
    if VARIABLE_NAME.fullmatch(name) and len(name) <= 128:
        return None
    return f"{name[:100]!r} is no name: letters, digits and _ are, and no digit in front"
