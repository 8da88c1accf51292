"""What stands between a trigger that fires and the firing: one stage, one file."""

from __future__ import annotations

from .settings import Control

__all__ = ["Control"]
