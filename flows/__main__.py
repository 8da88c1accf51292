"""``python -m upshot.flows``: executes the run that the environment names; workers start it."""

from __future__ import annotations

import sys

from .flowruns.started import main

if __name__ == "__main__":
    sys.exit(main())
