"""Writes imported automations as a file that ``upshot apply`` reads, with their notes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from .notes import Imported

_WIDTH = 100


def to_yaml(imported: Iterable[Imported]) -> str:
    """Return the file; what is not as it was stands as a comment above each automation."""
    parts = ["automations:\n"]
    for each in imported:
        parts.append(f"  # {_one_line(each.name)}\n" if each.definition is None else "")
        parts += [f"  # {_one_line(str(note))}\n" for note in each.notes]
        if each.definition is not None:
            parts.append(_item(each.definition))
        parts.append("\n")
    text = "".join(parts).rstrip("\n") + "\n"
    return text if "\n  - " in text else text.replace("automations:\n", "automations: []\n", 1)


def _item(definition: dict[str, Any]) -> str:
    written = yaml.safe_dump(
        _escaped(definition), sort_keys=False, allow_unicode=True, width=_WIDTH
    )
    first, *rest = written.rstrip("\n").split("\n")
    return "\n".join([f"  - {first}", *(f"    {line}" if line else "" for line in rest)]) + "\n"


def _escaped(value: Any) -> Any:
    """Keep ``${…}`` from being taken from the environment."""
    if isinstance(value, str):
        return value.replace("${", "$${")
    if isinstance(value, dict):
        return {key: _escaped(each) for key, each in value.items()}
    return [_escaped(each) for each in value] if isinstance(value, list) else value


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
