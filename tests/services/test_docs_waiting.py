"""What the pages on flows say about waiting and limits, tried with a whole service."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import eventually

from .service import COMMAND, Service, found

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "flows" / "limits.md").read_text()
(FLOW,) = re.findall(
    r"^```py\n(# release.*?)^```$", (DOCS / "flows.md").read_text(), re.DOTALL | re.MULTILINE
)
(DEFINITIONS,) = [
    each
    for each in re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    if "limits:" in each
]
(QUEUES,) = re.findall(r"^```yaml\n(work_pools:.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = Service(tmp_path_factory.mktemp("up"))
    (running.folder / "release.py").write_text(FLOW)
    (running.folder / "upshot.yaml").write_text(DEFINITIONS)
    try:
        running.start()
        done = running.run("apply", "-f", "upshot.yaml")
        assert done.returncode == 0, done.stderr
        yield running
    finally:
        running.stop()


def start(service: Service, version: str) -> str:
    """Start a release; return its run when it asks for approval."""
    run: str = found(service, "deployment", "run", "release/now", "-p", f"version={version}")["id"]
    until(service, run, "Suspended")
    return run


def until(service: Service, run: str, state: str) -> dict[str, Any]:
    def there() -> bool:
        return bool(found(service, "run", "inspect", run)["state"]["name"] == state)

    eventually(there, f"{run} is {state}")
    shown: dict[str, Any] = found(service, "run", "inspect", run)
    return shown


def test_a_release_waits_for_approval_and_for_its_event(service: Service) -> None:
    run = start(service, "v1.4")
    assert "Ship app-v1.4?" in service.run("run", "inspect", run).stdout
    refused = service.run("run", "resume", run, "--input", '{"ship": "perhaps"}')
    assert refused.returncode == 1
    assert "input.ship" in refused.stderr
    misused = service.run("run", "resume", run, "--input", "{ship")
    assert misused.returncode == 2
    assert "--input" in misused.stderr
    assert service.run("run", "resume", run, "--input", '{"ship": true}').returncode == 0
    shown = until(service, run, "Suspended")
    assert shown["pause"]["awaits"]["expect"] == ["deploy.*"]
    for package, ok in (("app-v1.3", "true"), ("app-v1.4", "false"), ("app-v1.4", "true")):
        service.run(
            *("event", "emit", "deploy.finished", "-r", f"host.{ok}"),
            *("-l", f"package={package}", "-p", f'{{"ok": {ok}}}'),
        )
    assert until(service, run, "Completed")["result"] == "app-v1.4 is on host.true"


def test_a_release_that_is_not_approved_stays(service: Service) -> None:
    run = start(service, "v1.5")
    assert service.run("run", "pause", run).returncode == 0  # it is paused already
    given = '{"ship": false, "note": "too early"}'
    assert service.run("run", "resume", run, "-i", given).returncode == 0
    assert until(service, run, "Completed")["result"] == "app-v1.5 stays here: too early"


def test_on_a_terminal_each_field_is_asked_for(service: Service) -> None:
    run = start(service, "v1.6")
    ours, theirs = pty.openpty()
    command = [*COMMAND, "run", "resume", run]
    with subprocess.Popen(
        command,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=service.environment(),
        text=True,
    ) as process:
        os.write(ours, b"n\nnot today\n")
        told, _ = process.communicate(timeout=60)
    for each in (ours, theirs):
        os.close(each)
    assert process.returncode == 0, told
    assert "Ship app-v1.6?" in told
    assert until(service, run, "Completed")["result"] == "app-v1.6 stays here: not today"


def test_limits_are_listed_made_reset_and_deleted(service: Service) -> None:
    names = [each["name"] for each in found(service, "limit", "ls")]
    assert names == [
        "announcements", "api", "deployment:release/now", "tag:database", "work-pool:default"
    ]  # fmt: skip
    assert service.run("limit", "create", "mine", "3").returncode == 0
    again = service.run("limit", "create", "mine", "3")
    assert again.returncode == 1
    assert "called 'mine' already" in again.stderr
    assert "0 holders of mine" in service.run("limit", "reset", "mine").stderr
    assert service.run("limit", "delete", "mine").returncode == 0
    assert "mine" not in service.run("limit", "ls").stdout


def test_queues_of_a_pool_are_declared_listed_and_used(service: Service) -> None:
    (service.folder / "queues.yaml").write_text(QUEUES)
    assert service.run("apply", "-f", "queues.yaml").returncode == 0
    queues = found(service, "work-pool", "queues", "default")
    assert [each["name"] for each in queues] == ["urgent", "default", "reports", "bulk"]
    assert "urgent, default" in service.run("work-pool", "ls").stdout
    command = ("deployment", "run", "release/hotfix", "-p", "version=v2", "--priority", "-10")
    run = found(service, *command)["id"]
    shown = until(service, run, "Suspended")
    assert (shown["queue"], shown["priority"]) == ("urgent", -10)
    made = service.run("work-pool", "create", "other", "--queue", "a=5", "--queue", "b")
    assert made.returncode == 0, made.stderr
    assert [each["priority"] for each in found(service, "work-pool", "queues", "other")] == [
        5, 100, 100
    ]  # fmt: skip
    refused = service.run("work-pool", "create", "other", "--queue", "a=high")
    assert refused.returncode == 2
    twice = service.run("work-pool", "create", "other", "--queue", "a", "--queue", "a")
    assert twice.returncode == 1
    assert "queues" in twice.stderr
    assert "a stands here twice" in twice.stderr
