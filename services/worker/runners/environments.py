"""Python environments made of requirements, each once; what one lacks comes from the worker's."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog

from ...exceptions import CannotLaunch

log = structlog.get_logger(__name__)

_TIMEOUT: Final = 900.0
_LONGEST_TOLD: Final = 1_000


class Environments:
    """The environments that a worker has made.

    Args:
        folder: where they lie, each below a digest of its requirements and this Python's version.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def python_with(self, requirements: Sequence[str]) -> Path:
        """Return the interpreter of the environment with these packages; the first time takes long.

        Raises:
            CannotLaunch: they can not be installed; the message says why.
        """
        text = "\n".join([sys.version, *sorted(requirements)])
        final = self._folder / hashlib.sha256(text.encode()).hexdigest()[:24]
        with self._alone():
            if not (final / "made").is_file():
                self._make(final, requirements)
        return final / "bin" / "python"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let nobody else make one meanwhile, on this machine."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _make(self, final: Path, requirements: Sequence[str]) -> None:
        """Make an environment where it stays, as programs in it name its place."""
        log.info("environment is made", requirements=list(requirements))
        shutil.rmtree(final, ignore_errors=True)  # what an end in the midst of this has left
        python = str(final / "bin" / "python")
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as listed:
            listed.write("\n".join(requirements))
            listed.flush()
            if uv := shutil.which("uv"):
                _run(uv, "venv", "--quiet", "--python", sys.executable, str(final))
                _run(uv, "pip", "install", "--quiet", "--python", python, "-r", listed.name)
            else:
                _run(sys.executable, "-m", "venv", str(final))
                _run(python, "-m", "pip", "install", "--quiet", "-r", listed.name)
        _lend(final)
        (final / "made").touch()


def _lend(environment: Path) -> None:
    """Let what is installed here, Upshot above all, be found after what is installed there."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    ours = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    lines = [f"import site; site.addsitedir({folder!r})\n" for folder in ours]
    target = environment / "lib" / version / "site-packages" / "zz-upshot-worker.pth"
    target.write_text("".join(lines))


def _run(*command: str) -> None:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CannotLaunch(f"requirements: not installed within {_TIMEOUT:.0f} s") from None
    if done.returncode != 0:
        told = (done.stderr.strip() or done.stdout.strip())[-_LONGEST_TOLD:]
        raise CannotLaunch(f"requirements: can't be installed: {told}")
