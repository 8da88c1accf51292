"""The command line by itself: it teaches, and it says what was wrong, where, and what to do."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from upshot.services.cli.app import app, run
from upshot.services.cli.printing import cell, harmless


def groups(group: object = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, child in getattr(group or get_command(app), "commands", {}).items():
        if hasattr(child, "commands"):
            yield (*path, name)
            yield from groups(child, (*path, name))


def commands(group: object = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    found = group or get_command(app)
    children = getattr(found, "commands", None)
    if children is None:
        yield path
        return
    for name, child in children.items():
        yield from commands(child, (*path, name))


@pytest.fixture(autouse=True)
def _no_service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UPSHOT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("UPSHOT_DATA_DIR", str(tmp_path / "none"))
    monkeypatch.delenv("UPSHOT_REDIS_URL", raising=False)


@pytest.mark.parametrize("command", [*commands(), *groups()], ids=" ".join)
def test_every_command_shows_an_example_of_itself(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command, "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "Example: " in shown
    assert " ".join(("upshot", *command)) in shown.partition("Example: ")[2]


@pytest.mark.parametrize("listing", [path for path in commands() if path[-1] == "ls"], ids=" ".join)
def test_every_listing_can_be_had_as_json(
    listing: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*listing, "--help"]) == 0
    assert "--output" in capsys.readouterr().out


@pytest.mark.parametrize("command", list(commands()), ids=" ".join)
def test_what_is_no_text_is_misuse(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command, "caf\udce9"]) == 2
    assert capsys.readouterr().err == "error: argument 'caf\\xe9': it is not UTF-8\n"


@pytest.mark.parametrize(
    "place",
    [
        "--url {} run ls",
        "run --url {} ls",
        "run ls --url {}",
        "run ls --url={}",
        "run ls --url {} -o json",
    ],
)
def test_the_address_is_taken_wherever_it_stands(
    place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(place.format("http://127.0.0.1:7").split()) == 1
    assert "no Upshot answers at http://127.0.0.1:7;" in capsys.readouterr().err


def test_nobody_answering_fails_and_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", "ls"]) == 1
    assert capsys.readouterr().err == (
        "error: no Upshot answers at http://127.0.0.1:9; "
        "start one with `upshot up`, or set UPSHOT_URL\n"
    )


def test_a_wrong_setting_is_a_misuse_and_names_its_key(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UPSHOT_LEASE", "soon")
    assert run(["run", "ls"]) == 2
    assert "lease" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "lst"], "lst"),
        (["event", "emit"], "--resource"),
        (["event", "emit", "order.placed"], "--resource"),
        (["event", "emit", "order.placed", "-r", "o.1", "-l", "customer"], "NAME=VALUE"),
        (["event", "emit", "order.placed", "-r", "o.1", "-p", "{"], "not JSON"),
        (["event", "emit", "order.placed", "-r", "o.1", "-p", "[1]"], "JSON object"),
        (["event", "emit", "order.placed", "-r", "o.1", "-p", '{"n": NaN}'], "NaN"),
        (["event", "emit", "order.placed", "-r", "o.1", "-p", '{"n": 1e999}'], "are not JSON"),
        (["event", "emit", "Order Placed", "-r", "o.1"], "event: does not fit the pattern"),
        (["event", "emit", "Order.Placed", "-r", "o.1"], "must be lower case: 'order.placed'"),
        (["event", "emit", "order.placed", "-r", ""], "resource: "),
        (["event", "emit", "order.placed", "--file", "events.ndjson"], "NAME or --file"),
        (["deployment", "run", "a/b", "-p", "n"], "NAME=VALUE"),
        (["deployment", "run", "a/b", "-p", "n=[1e999]"], "n.0: NaN, Infinity"),
        (["deployment", "run", "a/b", "-p", "n=" + "[" * 9999], "n: nested too deeply"),
        (["deployment", "run", "a/b", "-p", "n=\udcff"], "it is not UTF-8"),
        (["deployment", "run", "a/b", "--params", "[1]"], "JSON object"),
        (["deployment", "run", "a/b", "--params", '{"n": NaN}'], "not JSON"),
        (["deployment", "run", "a/b", "--params", "@no-such-file"], "no-such-file"),
        (["dead-letter", "replay"], "--all"),
        (["serve", "egnine"], "egnine"),
        (["up", "--port", "70000"], "65535"),
        (["run", "ls", "--output", "yaml"], "yaml"),
        (["schema", "automaton"], "automation"),
        (["apply", "-f", "-", "-f", "x.yaml"], "no other --file"),
        (["import", "prefect", "-", "--name", "etl"], "ID=NAME"),
    ],
    ids=lambda value: ascii(" ".join(value)[:60]) if isinstance(value, list) else "",
)
def test_a_misuse_exits_with_2_and_says_what_was_wrong(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    assert said in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("arguments", [["serve", "engine"], ["worker", "start"]], ids=" ".join)
def test_a_service_without_a_store_to_join_says_how_to_give_it_one(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 1
    assert "UPSHOT_REDIS_URL" in capsys.readouterr().err


def test_listening_to_the_network_without_a_token_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["up", "--host", "0.0.0.0"]) == 1
    assert "UPSHOT_API_TOKEN" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["apply -f", "import prefect", "automation test"])
def test_a_file_that_does_not_exist_is_named(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command.split(), "nothing.yaml"]) == 1
    assert "error: nothing.yaml: no such file or" in capsys.readouterr().err


def test_a_definition_s_problem_is_told_with_file_and_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text("variables:\n  - name: a\n    valeu: 1\n")
    assert run(["apply", "-f", str(file)]) == 1
    said = capsys.readouterr().err
    assert f"{file}:3:" in said
    assert "'value'" in said


def test_a_schema_is_printed_for_editors(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", "automation"]) == 0
    assert json.loads(capsys.readouterr().out)["$id"] == "urn:upshot:schema:automation"


def test_an_export_of_prefect_is_turned_into_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "export.json"
    good = {"name": "a", "trigger": {"expect": ["a.b"]}, "actions": [{"type": "do-nothing"}]}
    file.write_text(json.dumps([good]))
    assert run(["import", "prefect", str(file)]) == 0
    said = capsys.readouterr()
    assert "  - name: a" in said.out
    assert "a: actions.0: doing nothing" in said.err
    assert "1 of 1" in said.err
    file.write_text(json.dumps([good, {**good, "trigger": {"type": "lunar"}}]))
    assert run(["import", "prefect", str(file), "-o", "json"]) == 1
    assert json.loads(capsys.readouterr().out)[1]["definition"] is None


def test_an_unexpected_error_shows_no_traceback_unless_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("upshot.services.client.Client.items", lambda *_: broken(_))
    assert run(["run", "ls"]) == 1
    said = capsys.readouterr().err
    assert "ZeroDivisionError" in said
    assert "Traceback" not in said
    with pytest.raises(ZeroDivisionError):
        run(["--debug", "run", "ls"])


def test_text_from_outside_can_not_steer_the_terminal() -> None:
    assert harmless("a\x1b[31mb\nc") == "a\\x1b[31mb\\x0ac"
    assert cell({"name": "\x1b]0;title\x07"}) == '{"name": "\\u001b]0;title\\u0007"}'


def test_a_paragraph_of_help_is_as_wide_as_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    assert run(["apply", "--help"]) == 0
    (line,) = [each for each in capsys.readouterr().out.splitlines() if "The plan is shown" in each]
    assert "${NAME} in a file is taken from the environment" in line


def test_typer_is_not_loaded_by_a_service_s_process() -> None:
    modules = "upshot.services.serving, upshot.services.supervisor.supervisor"
    code = f"import sys, {modules}; print('typer' in sys.modules, 'fastapi' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
