"""``python -m upshot.services.cli`` is ``upshot``."""

from __future__ import annotations

from . import main

main()
