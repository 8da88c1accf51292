"""Fills in the templates of actions: here where that is quick, else in a process that can be
stopped.
"""

from __future__ import annotations

from .effort import effort_of
from .renderer import Renderer

__all__ = ["Renderer", "effort_of"]
