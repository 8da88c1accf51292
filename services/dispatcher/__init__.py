"""The dispatcher service: does the actions of firings, exactly once each as far as we can see."""

from __future__ import annotations

from .service import run

__all__ = ["run"]
