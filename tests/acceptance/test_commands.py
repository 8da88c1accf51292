"""The command line does what its help says: every example in it can be typed as it stands."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from upshot.services.cli.app import app, run
from upshot.services.demo.stage import Stage
from upshot.services.demo.steps import until

EXAMPLE = re.compile(r"^Example: (.+)$", re.MULTILINE)
LISTINGS = [
    "automation ls", "automation firings suspicious-logins", "deployment ls", "run ls", "event ls",
    "flow ls", "worker ls", "dead-letter ls", "webhook ls", "receiver ls", "variable ls",
    "artifact ls", "asset ls",
]  # fmt: skip


def _commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield every command that does something, by what one types."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield " ".join(path), command
        return
    for name, each in inner.items():
        yield from _commands(each, (*path, name))


COMMANDS = dict(_commands(typer.main.get_command(app)))
EXAMPLES = [
    example for command in COMMANDS.values() for example in EXAMPLE.findall(command.help or "")
]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does_with_an_example(name: str) -> None:
    text = COMMANDS[name].help or ""

    assert text.splitlines()[0].endswith(".")
    assert any(f"upshot {name}" in example for example in EXAMPLE.findall(text))


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_of_the_help_can_be_typed(
    example: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = shlex.split(example)
    arguments = words[words.index("upshot") + 1 :]

    code = run([*arguments, "--help"])  # options that do not exist are refused before the help

    assert code == 0, capsys.readouterr().err


def _upshot(stage: Stage, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "upshot.services.cli", *arguments],
        cwd=stage.folder,
        env=stage.service.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("listing", LISTINGS)
def test_every_listing_speaks_json(listing: str, stage: Stage) -> None:
    done = _upshot(stage, *listing.split(), "--output", "json")

    assert done.returncode == 0, done.stderr
    assert isinstance(json.loads(done.stdout), list)


def test_a_deployment_is_run_and_looked_into(stage: Stage) -> None:
    started = _upshot(stage, "deployment", "run", "words/these", "--wait")
    assert started.returncode == 0, started.stderr

    runs = json.loads(_upshot(stage, "run", "ls", "--flow", "words", "-o", "json").stdout)
    assert [run["state"]["type"] for run in runs] == ["Completed"]
    name = runs[0]["name"]
    inspected = _upshot(stage, "run", "inspect", name)
    assert (inspected.returncode, "Completed" in inspected.stdout) == (0, True)
    assert f"{runs[0]['result']} words in" in _upshot(stage, "run", "logs", name).stdout


def test_a_deployment_makes_assets_and_artifacts_that_can_be_looked_at(stage: Stage) -> None:
    target = json.dumps(str(stage.folder / "zones"))
    run = _upshot(
        stage, "deployment", "run", "zones/world", "--param", f"target={target}", "--wait"
    )
    assert run.returncode == 0, run.stderr
    assert "most zones: America" in run.stdout

    listed = _upshot(stage, "asset", "ls", "--prefix", "zones/table").stdout.splitlines()
    assert [line.split()[:2] + line.split()[-2:] for line in listed[1:]] == [
        ["zones/table", "ok", "zones", "3/3"]
    ]
    tree = _upshot(stage, "asset", "lineage", "zones/table").stdout
    assert [key in tree for key in ("zones/source", "zones/per-area")] == [True, True]
    assert "America" in _upshot(stage, "artifact", "inspect", "zones-per-area").stdout


def test_emitted_events_fire_an_automation(stage: Stage) -> None:
    for _ in range(3):
        done = _upshot(stage, "event", "emit", "login.failed", "--resource", "user.ana")
        assert done.returncode == 0, done.stderr

    suspicious = until(
        "the automation acts",
        lambda: stage.client.items("/events", {"event": "login.suspicious"}) or None,
    )

    assert suspicious[0]["resource"]["id"] == "user.ana"
    assert suspicious[0]["payload"] == {"failures": 3}
    shown = _upshot(stage, "automation", "inspect", "suspicious-logins")
    assert "threshold_reached" in shown.stdout


def test_applying_twice_changes_nothing(stage: Stage) -> None:
    assert {line[:2] for line in stage.apply_examples().splitlines()} == {"= "}


def test_a_dead_letter_is_replayed_once_its_cause_is_mended(stage: Stage) -> None:
    definitions = stage.folder / "tell.yaml"
    definitions.write_text(
        "automations:\n"
        "  - name: tell-the-night-shift\n"
        "    trigger: {type: event, expect: [door.opened]}\n"
        "    actions: [{notify: {to: night-shift, title: A door, body: is open}}]\n"
    )
    stage.service.command("apply", "-f", str(definitions))
    stage.service.command("event", "emit", "door.opened", "--resource", "door.1")
    until("the action is given up", lambda: stage.client.items("/dead-letters") or None)

    receiver = f"receivers: [{{name: night-shift, url: 'json://127.0.0.1:{stage.inbox.port}/'}}]\n"
    definitions.write_text(receiver)
    stage.service.command("apply", "-f", str(definitions))
    stage.service.command("dead-letter", "replay", "--all")
    told = until(
        "somebody is told",
        lambda: [post for post in stage.inbox.posts if post["title"] == "A door"] or None,
    )

    assert [post["message"] for post in told] == ["is open"]
    assert stage.client.items("/dead-letters") == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["deployment", "run", "words/those"], 1, "words/those"),
        (["run", "inspect", "nobody"], 1, "nobody"),
        (["apply", "-f", "nowhere.yaml"], 1, "nowhere.yaml"),
        (["event", "emit", "Not A Name", "--resource", "r"], 2, "event"),
        (["run", "ls", "--sideways"], 2, "--sideways"),
    ],
)
def test_an_error_says_what_was_wrong(
    arguments: list[str], code: int, message: str, stage: Stage
) -> None:
    done = _upshot(stage, *arguments)

    assert done.returncode == code, done.stdout + done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_definition_is_refused_at_its_line(stage: Stage, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("automations:\n  - name: a\n    trigger: {type: event, expcet: [a.b]}\n")

    done = _upshot(stage, "apply", "-f", str(wrong))

    assert done.returncode == 1
    assert "wrong.yaml:3:" in done.stderr
    assert "did you mean 'expect'" in done.stderr


def test_the_status_is_ready(stage: Stage) -> None:
    done = _upshot(stage, "status")

    assert done.returncode == 0, done.stdout + done.stderr
