"""The notify action: tells people, through a receiver."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from ..exceptions import TemplateFailed
from ..templates.template import Template
from .base import BaseAction, Variables

Severity = Literal["info", "success", "warning", "error", "critical"]
_DEFAULT_TITLE = Template("{{ automation.name }}")


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str | Template) else value


class Notify(BaseAction):
    """Sends a notification.

    Attributes:
        to: the receiver's name, or several.
        title: one line; by default the automation's name.
        body: the rest.
        severity: how bad it is.
    """

    type: ClassVar[str] = "notify"

    to: Annotated[tuple[Template, ...], BeforeValidator(_as_list), Field(min_length=1)]
    title: Template = _DEFAULT_TITLE
    body: Template | None = None
    severity: Severity = "info"

    def arguments(self, variables: Variables) -> dict[str, Any]:
        """Return ``to`` (a list of names), ``title``, ``body`` and ``severity``."""
        names = [template.render_text(variables).strip() for template in self.to]
        if not all(names):
            raise TemplateFailed("to: comes out empty")
        return {
            "to": list(dict.fromkeys(names)),
            "title": " ".join(self.title.render_text(variables).split()),
            "body": self.body.render_text(variables) if self.body else "",
            "severity": self.severity,
        }
