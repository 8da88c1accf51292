"""The command line as a program of its own against a whole service."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .commanded import applied, commanded
from .service import COMMAND, Service, found


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with commanded(tmp_path_factory.mktemp("up")) as running:
        yield running


def test_applying_the_same_again_changes_nothing(service: Service) -> None:
    assert {line[0] for line in applied(service)} == {"="}


def test_a_dry_run_tells_the_plan_and_changes_nothing(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "other.yaml"
    file.write_text("variables:\n  - {name: farewell, value: bye}\n")
    done = service.run("apply", "-f", str(file), "--prune", "--dry-run")
    assert done.stdout.splitlines() == ["+ variable farewell", "- variable greeting"]
    assert [each["name"] for each in found(service, "variable", "ls")] == ["greeting"]


def test_a_missing_variable_of_the_environment_is_told_with_its_place(service: Service) -> None:
    done = Service(service.folder).run("apply", "-f", "upshot.yaml")
    assert done.returncode == 1
    assert "upshot.yaml:3:" in done.stderr
    assert "GREETING" in done.stderr


def test_definitions_are_listed_without_their_secrets(service: Service) -> None:
    assert found(service, "variable", "ls")[0]["value"] == "hello"
    assert found(service, "webhook", "ls")[0]["path"] == "/hooks/github"
    assert "hidden" not in service.run("receiver", "ls").stdout
    assert "quiet" not in service.run("webhook", "ls", "-o", "json").stdout
    assert [each["name"] for each in found(service, "deployment", "ls")] == ["total/small"]
    assert [each["name"] for each in found(service, "automation", "ls")] == ["heal", "logins"]


def test_an_event_is_sent_and_found_again(service: Service) -> None:
    sent = service.run(
        *("event", "emit", "order.placed", "-r", "order.1", "-l", "customer=ana"),
        *("--related", "shop=shop.3", "-p", "-"),
        given='{"total": 9.5}',
    )
    (event,) = found(service, "event", "ls", "--resource", "order.1")
    assert event["id"] == sent.stdout.strip()
    assert event["resource"] == {"id": "order.1", "customer": "ana"}
    assert event["related"] == [{"id": "shop.3", "role": "shop"}]
    assert event["payload"] == {"total": 9.5}


def test_an_id_of_one_s_own_is_accepted_once(service: Service) -> None:
    command = ("event", "emit", "order.paid", "-r", "order.2", "--id", "mine-1")
    assert "1 accepted" in service.run(*command).stderr
    assert "0 accepted, 1 known already" in service.run(*command).stderr


def test_a_file_of_events_is_sent_in_batches(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    lines = [{"event": "line.read", "resource": {"id": f"line.{n}"}} for n in range(1200)]
    file.write_text("\n".join(map(json.dumps, lines)))
    assert found(service, "event", "emit", "-f", str(file)) == {"accepted": 1200, "duplicates": 0}
    assert len(found(service, "event", "ls", "-e", "line.*", "--limit", "2000")) == 1200


def test_a_wrong_line_of_a_file_is_named_by_its_number(service: Service) -> None:
    good, bad = '{"event":"a.b","resource":{"id":"x"}}', '{"event":"a.b","resource":{}}'
    done = service.run("event", "emit", "-f", "-", given=f"{good}\n\n{bad}\n")
    assert done.returncode == 1
    assert "line 3: resource" in done.stderr
    assert found(service, "event", "ls", "-e", "a.b") == []


def test_the_log_is_followed_as_it_grows(service: Service) -> None:
    assert service.run("event", "emit", "tide.turned", "-r", "sea.1").returncode == 0
    (first,) = found(service, "event", "ls", "-e", "tide.turned")
    before = first["position"].partition("-")[0]
    command = [
        *COMMAND,
        "event",
        "tail",
        "-e",
        "tide.*",
        "-o",
        "json",
        "--from",
        f"{int(before) - 1}-0",
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=service.folder, env=service.environment()
    ) as tail:
        assert tail.stdout is not None
        assert json.loads(tail.stdout.readline())["id"] == first["id"]
        assert service.run("event", "emit", "tide.turned", "-r", "sea.2").returncode == 0
        assert json.loads(tail.stdout.readline())["resource"] == {"id": "sea.2"}
        tail.kill()


def test_a_run_is_started_watched_and_told(service: Service) -> None:
    done = service.spawn("deployment", "run", "total/small", "-p", "numbers=[3, 4]", "--wait")
    assert done.returncode == 0, done.stderr
    assert "adding 2 numbers" in done.stdout
    assert "the total is 14" in done.stdout
    run = done.stdout.split()[-1]
    shown = service.run("run", "inspect", run).stdout
    assert [state in shown for state in ("Scheduled", "Pending", "Running", "Completed")] == [
        True
    ] * 4
    assert "the total is 14" in service.run("run", "logs", run).stdout
    told = found(service, "run", "inspect", run)
    assert told["result"] == 14
    assert [task["state"]["type"] for task in told["task_runs"]] == ["Completed"] * 2
    assert [
        each["id"] for each in found(service, "run", "ls", "-s", "Completed", "--limit", "1")
    ] == [run]


def test_a_variable_is_set_read_and_unset(service: Service) -> None:
    assert service.run("variable", "set", "region", "eu").returncode == 0
    assert service.run("variable", "get", "region").stdout == "eu\n"
    assert service.run("variable", "set", "region", '{"name": "eu", "hosts": 3}').returncode == 0
    assert found(service, "variable", "get", "region") == {"name": "eu", "hosts": 3}
    assert service.run("variable", "unset", "region").returncode == 0
    gone = service.run("variable", "get", "region")
    assert (gone.returncode, "region" in gone.stderr) == (1, True)


def test_what_would_keep_runs_waiting_is_told_when_it_is_applied(
    service: Service, tmp_path: Path
) -> None:
    file = tmp_path / "far.yaml"
    file.write_text(
        f"""
deployments:
  - {{name: total/far, entrypoint: "nowhere.py:total", work_pool: far}}
  - {{name: total/odd, entrypoint: "{service.folder}/flows.py:totla", work_pool: far}}
  - {{name: total/fine, entrypoint: "{service.folder}/flows.py:total"}}
"""
    )
    done = service.run("apply", "-f", str(file), "--dry-run")
    assert done.returncode == 0
    told = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert told == [
        "warning: deployment total/far work_pool: no worker serves 'far', so runs wait; start one "
        "with `upshot worker start --pool far`",
        f"warning: deployment total/far entrypoint: there is no file {tmp_path}/nowhere.py here; "
        "mend the path, or have it on the workers' machines",
        f"warning: deployment total/odd entrypoint: there is no totla in {service.folder}/flows.py;"
        " it has double, total; name the flow's function",
    ]
    plan = found(service, "apply", "-f", str(file), "--dry-run")
    assert len(plan["warnings"]) == 3


def test_a_run_that_waits_is_cancelled(service: Service) -> None:
    deployed = service.run("flow", "deploy", "flows.py:total", "--pool", "nobody")
    assert deployed.returncode == 0
    assert "start one with `upshot worker start --pool nobody`" in deployed.stderr
    made = found(service, "deployment", "run", "total/default", "-p", "numbers=[]")
    assert found(service, "run", "cancel", made["id"])["state"]["type"] == "Cancelled"


def test_a_deployment_is_shown_as_json_or_field_by_field(service: Service) -> None:
    shown = found(service, "deployment", "inspect", "total/small")
    assert shown["name"] == "total/small"
    lines = service.run("deployment", "inspect", "total/small", "-o", "table").stdout.splitlines()
    assert ["name", "total/small"] in [line.split() for line in lines]
    assert ["work", "pool", "default"] in [line.split() for line in lines]


def test_the_same_key_makes_the_same_run(service: Service) -> None:
    command = ("deployment", "run", "total/small", "--idempotency-key", "today", "--tag", "mine")
    assert found(service, *command)["tags"] == ["mine"]
    assert found(service, *command)["id"] == found(service, *command)["id"]


def test_a_wrong_name_is_met_with_the_nearest_one(service: Service) -> None:
    done = service.run("deployment", "run", "total/smal")
    assert done.returncode == 1
    assert "total/small" in done.stderr


def test_the_status_tells_of_each_part(service: Service) -> None:
    status = found(service, "status")
    assert {"store", "engine", "dispatcher", "scheduler", "workers"} <= set(status["parts"])
    assert status["url"] == service.url


def test_listings_are_plain_columns_where_nobody_looks(service: Service) -> None:
    heading, *rows = service.run("deployment", "ls").stdout.splitlines()
    assert heading.split() == ["NAME", "POOL", "PAUSED", "CODE", "ENTRYPOINT", "PARAMETERS"]
    assert any(row.startswith("total/small  ") for row in rows)
    assert "\x1b" not in heading + "".join(rows)


def test_a_token_is_asked_for_and_taken_from_the_environment(
    tmp_path: Path, store_url: str
) -> None:
    guarded = Service(tmp_path, "--redis-url", store_url, "--no-workers", UPSHOT_API_TOKEN="t0ken")
    try:
        guarded.start()
        assert guarded.run("run", "ls").returncode == 0
        done = guarded.spawn("run", "ls", UPSHOT_API_TOKEN="wrong")
        assert done.returncode == 1
        assert "UPSHOT_API_TOKEN" in done.stderr
    finally:
        guarded.stop()
