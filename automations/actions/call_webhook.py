"""The call-webhook action: makes an HTTP request."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from ..exceptions import TemplateFailed
from ..templates.data import TemplateData, render_data
from ..templates.template import Template
from .base import BaseAction, Variables
from .secrets import masked_headers, masked_url

HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$")]
_URL = re.compile(r"https?://[^\s/?#]+\S*", re.IGNORECASE)


class CallWebhook(BaseAction):
    """Makes an HTTP request.

    Attributes:
        url: http or https.
        method: GET, POST, PUT, PATCH, DELETE or HEAD.
        headers: besides those that Upshot sets.
        body: text, or data sent as JSON; by default the firing with its ``events``, where the
            method has a body.
    """

    type: ClassVar[str] = "call-webhook"

    url: Template
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] = "POST"
    headers: dict[HeaderName, Template] = Field(default_factory=dict, max_length=64)
    body: TemplateData = None

    def arguments(self, variables: Variables) -> dict[str, Any]:
        """Return ``url``, ``method``, ``headers`` and ``body`` (text, JSON data, or None)."""
        url = self.url.render_text(variables).strip()
        if not _URL.fullmatch(url):
            raise TemplateFailed(f"url: {url[:100]!r} is no http or https address")
        return {
            "url": url,
            "method": self.method,
            "headers": {
                name: _header(name, each, variables) for name, each in self.headers.items()
            },
            "body": self._body(variables),
        }

    def told(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments without passwords; the firing need not repeat itself as a body."""
        firing = self.body is None and arguments["body"] is not None
        return {
            **arguments,
            "url": masked_url(arguments["url"]),
            "headers": masked_headers(arguments["headers"]),
            **({"body": "(the firing with its events)"} if firing else {}),
        }

    def _body(self, variables: Variables) -> Any:
        if self.body is not None:
            return render_data(self.body, variables)
        if self.method in {"GET", "HEAD", "DELETE"}:
            return None
        return {**(variables.get("firing") or {}), "events": variables.get("events") or []}


def _header(name: str, template: Template, variables: Variables) -> str:
    value = template.render_text(variables).strip()
    if any(character in value for character in "\r\n\0"):
        raise TemplateFailed(f"headers.{name}: a header can't have line breaks")
    return value
