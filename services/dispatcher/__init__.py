"""The dispatcher service: does the actions of firings, at least once and under one key each."""

from __future__ import annotations

from .service import run

__all__ = ["run"]
