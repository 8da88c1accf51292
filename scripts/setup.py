"""Builds the virtual environment from the hash-pinned locks; quick when nothing has changed."""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = {"run": "requirements.lock", "dev": "requirements-dev.lock"}
# Which kinds an installation serves: whoever can test the service can run it.
SERVES = {"run": ("run",), "dev": ("run", "dev")}


class SetupFailed(Exception):
    """A step of the set-up did not work; the message says which and what to do."""


@contextmanager
def _alone(venv: Path) -> Iterator[None]:
    """Let one set-up at a time work on ``venv``; a second one waits."""
    with venv.with_name(venv.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(what: str, *command: str | Path) -> None:
    done = subprocess.run([str(part) for part in command], cwd=ROOT, check=False)
    if done.returncode:
        raise SetupFailed(f"{what} failed (exit {done.returncode}); the lines above say why")


def _fingerprint(kind: str) -> str:
    """Name what an installation depends on: the lock, the metadata and where the tree lies."""
    digest = hashlib.sha256(str(ROOT).encode())
    for name in (LOCKS[kind], "pyproject.toml"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def _is_installed(kind: str, venv: Path) -> bool:
    stamp = venv / f".{kind}-installed"
    return stamp.exists() and stamp.read_text() == _fingerprint(kind)


def _create(venv: Path) -> None:
    if (venv / "bin" / "python").exists():
        return
    print(f"setup: creating {venv} with Python {sys.version.split()[0]}", flush=True)
    try:
        _run("creating the virtual environment", sys.executable, "-m", "venv", venv)
    except SetupFailed:
        # A half-made environment would be taken for a whole one the next time.
        shutil.rmtree(venv, ignore_errors=True)
        raise


def _install(venv: Path, lock: Path) -> None:
    print(f"setup: installing {lock.name}", flush=True)
    pip = (venv / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "--no-input")
    _run("installing the packages", *pip, "install", "-q", "--require-hashes", "-r", lock)
    # The lock holds the build backend too, so this step asks no index for anything.
    editable = ("install", "-q", "--no-deps", "--no-build-isolation", "-e", ROOT)
    _run("installing the project", *pip, *editable)


def set_up(kind: str, venv: Path) -> None:
    """Make ``venv`` hold what ``kind`` needs; what a wider kind installed stays.

    Args:
        kind: ``run`` (the service alone) or ``dev`` (checks and tests too).
        venv: the folder of the virtual environment.

    Raises:
        SetupFailed: when a step did not work.
    """
    with _alone(venv):
        if _is_installed(kind, venv):
            return
        _create(venv)
        _install(venv, ROOT / LOCKS[kind])
        for served in SERVES[kind]:
            (venv / f".{served}-installed").write_text(_fingerprint(served))


def main() -> None:
    """Set up what the command line names; end with 1 when that does not work."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=sorted(LOCKS))
    venv = Path(os.environ.get("VENV", ".venv"))
    kind: str = parser.parse_args().kind
    try:
        set_up(kind, ROOT / venv)
    except SetupFailed as problem:
        sys.exit(f"setup: {problem}")


if __name__ == "__main__":
    main()
