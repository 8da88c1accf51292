"""Who only may need the recorded past loads nothing of SQL for it."""

from __future__ import annotations

import subprocess
import sys


def test_the_api_loads_no_sql_before_it_is_asked_for_the_past() -> None:
    code = "import sys, upshot.services.api.app; print('sqlalchemy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
