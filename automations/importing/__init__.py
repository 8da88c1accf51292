"""Brings automations over from other tools, and tells what has no equal."""

from __future__ import annotations

from .notes import Imported, Note, Notes
from .prefect import import_prefect
from .writing import to_yaml

__all__ = ["Imported", "Note", "Notes", "import_prefect", "to_yaml"]
