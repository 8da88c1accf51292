"""`upshot demo` as a user runs it: it tells that all went well, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_the_demo_plays_and_cleans_up(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "upshot.services.cli", "demo"]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "UPSHOT_URL": "http://127.0.0.1:1"}

    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=180
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Everything happened as it should" in done.stdout
    assert "\x1b" not in done.stdout  # no terminal, no escape sequences
    for said in ("threshold_reached", "is Crashed", "stays broken", "upshot_firings_total"):
        assert said in done.stdout
    assert list(tmp_path.glob("upshot-demo-*")) == []
