"""The engine service: decides what follows from the log."""

from .service import Engine, run

__all__ = ["Engine", "run"]
