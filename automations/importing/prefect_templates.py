"""Prefect's templates as Upshot's: both are Jinja2, over names that differ a little."""

from __future__ import annotations

import re
from typing import Final

from ..exceptions import InvalidTemplate
from ..templates.template import Template
from .notes import Notes

_RENAMED: Final = (
    (re.compile(r"""\[\s*(['"])prefect\.resource\.(id|name|role)\1\s*\]"""), r"['\2']"),
    (re.compile(r"""\[\s*(['"])prefect\.name\1\s*\]"""), r"['name']"),
    (re.compile(r"\bflow\.name\b"), "flow_run.flow"),
    (re.compile(r"\bflow_run\.state_name\b"), "flow_run.state.name"),
    (re.compile(r"\bflow_run\.state_type\b"), "flow_run.state.type"),
    (re.compile(r"\bflow_run\.(?:expected_)?start_time\b"), "flow_run.started"),
    (re.compile(r"\bflow_run\.end_time\b"), "flow_run.ended"),
    (re.compile(r"\bevent\.payload\s*\|\s*tojson\b"), "event.payload | tojson"),
)
_EXPRESSION: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)


def template(source: str, notes: Notes) -> str:
    """Return a template with the names that things have here.

    What can't be understood here stays as text, as it was written, and is noted.
    """
    made = _EXPRESSION.sub(lambda found: _renamed(found[0]), source)
    try:
        Template(made)
    except InvalidTemplate as error:
        notes.add(f"this template stays plain text: {error}", weakens=True)
        return _verbatim(source)
    return made


def _renamed(expression: str) -> str:
    for theirs, ours in _RENAMED:
        expression = theirs.sub(ours, expression)
    return expression


def _verbatim(source: str) -> str:
    """Return a template that gives the source itself."""
    if "endraw" in source:
        return re.sub(r"\{([{%#])", r"(\1", source)
    return f"{{% raw %}}{source}{{% endraw %}}"
