"""The command line; each group of commands has a file, and loads what it needs when it runs."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command that the program's arguments name, and exit with its code."""
    from .app import run

    raise SystemExit(run())
