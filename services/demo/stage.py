"""What the demo plays on: a folder of its own, the receivers, and a whole service in a process."""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import requests

from upshot.events.processes import GuardedProcess
from upshot.services.client import Client
from upshot.services.exceptions import DemoFailed

from .deliveries import Delivery
from .receivers import Inbox, Mailbox
from .steps import until

EXAMPLES: Final = Path(__file__).resolve().parent / "examples"
_COMMAND: Final = (sys.executable, "-P", "-m", "upshot.services.cli")
_READY: Final = re.compile(r"^ready (http://\S+)$", re.MULTILINE)
_PATIENCE: Final = 90.0  # seconds that it may take to be ready, on a machine with much to do
_GRACE: Final = 20.0  # seconds that the service may take to stop
_LOG_TAIL: Final = 25


class Service:
    """`upshot up` as a child, with nothing of this user's settings.

    Args:
        folder: where it works; its log and its store are there, too.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = folder / "upshot.log"
        self._process: GuardedProcess | None = None
        self.url = ""

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment, without any setting of Upshot but the service's address."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith("UPSHOT_")}
        return {**clean, "UPSHOT_URL": self.url} if self.url else clean

    def start(self) -> None:
        """Start it on a free port and wait until it says that it is ready."""
        command = [*_COMMAND, "up", "--port", "0", "--data-dir", str(self._folder / "store")]
        with self._log.open("wb") as log:
            self._process = GuardedProcess(
                command, output=log.fileno(), cwd=self._folder, env=self.environment
            )
        self.url = until("the service is ready", self._ready_url, _PATIENCE)

    def _ready_url(self) -> str | None:
        if self._process is not None and self._process.returncode is not None:
            raise DemoFailed(f"the service ended with exit code {self._process.returncode}")
        said = _READY.search(self._log.read_text(encoding="utf-8", errors="replace"))
        return said[1] if said else None

    def wait(self, timeout: float) -> int | None:
        """Wait for its end; return its exit code, None if it still runs."""
        return self._process.wait(timeout) if self._process is not None else None

    def stop(self) -> None:
        """Stop it in order, and kill it when that takes too long."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        if self._process.wait(_GRACE) is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def last_lines(self) -> str:
        """Return the end of its log."""
        if not self._log.exists():
            return ""
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-_LOG_TAIL:])

    def command(self, *arguments: str, **variables: str) -> str:
        """Run an `upshot` command against it; return what it printed.

        Raises:
            DemoFailed: it ended with another exit code than 0.
        """
        done = subprocess.run(
            [*_COMMAND, *arguments],
            cwd=self._folder,
            env={**self.environment, **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode != 0:
            raise DemoFailed(f"upshot {' '.join(arguments)}: {done.stderr or done.stdout}")
        return done.stdout


class Stage:
    """Everything that the story needs.

    Attributes:
        report: the SQLite file that the example's flow writes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.report = folder / "github-report.sqlite"
        self.service = Service(folder)
        self.mailbox = Mailbox()
        self.inbox = Inbox()
        self._secret = secrets.token_urlsafe(32)
        self._http = requests.Session()
        self._http.trust_env = False  # no proxy stands between us and our own service
        self._exits = ExitStack()

    def __enter__(self) -> Self:
        self._exits.callback(self._http.close)
        self._exits.enter_context(self.mailbox)
        self._exits.enter_context(self.inbox)
        self._exits.callback(self.service.stop)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._exits.close()

    @property
    def client(self) -> Client:
        """A client of the service's API."""
        return Client(self.service.url)

    def apply_examples(self) -> str:
        """Apply the examples, with the receivers of this stage."""
        mail = (
            f"mailto://127.0.0.1:{self.mailbox.port}/?from=upshot@example.org&to=oncall@example.org"
        )
        return self.service.command(
            "apply",
            "-f",
            str(EXAMPLES),
            GITHUB_SECRET=self._secret,
            ONCALL_MAIL=f"{mail}&mode=insecure",
            ONCALL_HOOK=f"json://127.0.0.1:{self.inbox.port}/",
        )

    def post(self, delivery: Delivery, secret: str | None = None) -> requests.Response:
        """Post a delivery as GitHub does, signed with the webhook's secret or with another one."""
        url = f"{self.service.url}/hooks/github"
        headers = delivery.headers(secret or self._secret)
        return self._http.post(url, data=delivery.body, headers=headers, timeout=30)

    def metrics(self) -> str:
        """Return what Prometheus would see."""
        answer = self._http.get(f"{self.service.url}/metrics", timeout=30)
        answer.raise_for_status()
        return answer.text
