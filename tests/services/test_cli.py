"""The command line as a program of its own against a whole service."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import eventually

from .service import COMMAND, Service, found

FLOWS = """
from upshot import flow, get_run_logger, task


@task
def double(number: int) -> int:
    if number < 0:
        raise ValueError("it is negative")
    return 2 * number


@flow(log_prints=True)
def total(numbers: list[int]) -> int:
    get_run_logger().info("adding %d numbers", len(numbers))
    result = sum(future.result() for future in double.map(numbers))
    print("the total is", result)
    return result
"""
DEFINITIONS = """
variables:
  - {name: greeting, value: "${GREETING}"}
receivers:
  - {name: oncall, url: "json://user:hidden@127.0.0.1:9/"}
webhooks:
  - {name: github, preset: github, secret: quiet}
deployments:
  - {name: total/small, entrypoint: "flows.py:total", parameters: {numbers: [1, 2]}}
automations:
  - name: logins
    trigger: {type: event, expect: [login.failed], for_each: [id], threshold: 2, within: 5m}
    actions:
      - emit-event: {event: login.suspicious, resource: {id: "{{ event.resource.id }}"}}
      - call-webhook: {url: "http://127.0.0.1:9/", retries: 0}
  - name: heal
    trigger:
      {type: event, expect: [flow-run.failed], match_related: {name: total/small}}
    actions: [{retry-flow-run: {}}]
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = Service(tmp_path_factory.mktemp("up"), GREETING="hello")
    (running.folder / "flows.py").write_text(FLOWS)
    (running.folder / "upshot.yaml").write_text(DEFINITIONS)
    try:
        running.start()
        applied(running)
        yield running
    finally:
        running.stop()


def applied(service: Service, *options: str) -> list[str]:
    done = service.run("apply", "-f", "upshot.yaml", *options)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


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


def test_a_firing_is_told_with_its_reason_and_outcomes(service: Service) -> None:
    for _ in range(2):
        service.run("event", "emit", "login.failed", "-r", "user.ana")

    def settled() -> bool:
        firings = found(service, "automation", "inspect", "logins")["firings"]
        return bool(firings) and len(firings[0]["outcomes"]) == 2

    eventually(settled, "both actions are settled")
    shown = service.run("automation", "inspect", "logins").stdout
    assert "2 x login.failed within 5m" in shown
    assert "threshold_reached" in shown
    assert "emit-event succeeded" in shown
    assert len(found(service, "event", "ls", "-e", "login.suspicious")) == 1
    (letter,) = found(service, "dead-letter", "ls")
    assert letter["type"] == "call-webhook"
    assert service.run("dead-letter", "replay", "--all").returncode == 0
    eventually(
        lambda: (
            [each["id"] for each in found(service, "dead-letter", "ls")] not in ([], [letter["id"]])
        ),
        "it was tried again and given up again",
    )


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


def test_what_healed_a_run_is_in_its_timeline(service: Service) -> None:
    made = found(service, "deployment", "run", "total/small", "-p", "numbers=[-1]")

    def failed_twice() -> bool:
        run = found(service, "run", "inspect", made["id"])
        return bool(run["attempt"] == 2 and run["state"]["type"] == "Failed")

    eventually(failed_twice, "the retry failed as well")
    shown = service.run("run", "inspect", made["name"]).stdout
    lines = [line.split(None, 1)[1] for line in shown.partition("\n\n")[2].splitlines()]
    fired = next(at for at, line in enumerate(lines) if line.startswith("automation.fired"))
    assert "heal: threshold_reached" in lines[fired]
    assert lines[fired - 1].startswith("Failed")
    assert lines[fired + 1].startswith("AwaitingRetry")
    assert "attempt 2, ValueError: it is negative" in lines[-1]
    refused = service.run("run", "retry", made["id"], "--from", "nobody")
    assert refused.returncode == 1
    assert "has called no task 'nobody'" in refused.stderr
    retried = service.run("run", "retry", made["id"], "--wait")
    assert retried.returncode == 1
    assert "it is negative" in retried.stderr
    assert retried.stdout.count("adding 1 numbers") == 1  # the log of this attempt alone


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
    command = ("deployment", "run", "total/small", "--idempotency-key", "today")
    assert found(service, *command)["id"] == found(service, *command)["id"]


def test_an_automation_is_paused_resumed_and_deleted(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "brief.yaml"
    file.write_text(
        "automations:\n"
        "  - name: brief life\n"
        "    trigger: {type: event, expect: [a.b]}\n"
        "    actions: [{emit-event: {event: c.d, resource: {id: x}}}]\n"
    )
    assert service.run("apply", "-f", str(file)).returncode == 0
    for verb, on in (("pause", "paused"), ("resume", "on")):
        assert service.run("automation", verb, "brief life").returncode == 0
        assert on in service.run("automation", "inspect", "brief life").stdout.split()
    assert service.run("automation", "delete", "brief life").returncode == 0
    assert service.run("automation", "inspect", "brief life").returncode == 1


SHADOW = """
automations:
  - name: cautious
    shadow: true
    control: {throttle: {limit: 100, per: 1h}}
    trigger: {type: event, expect: [order.cancelled]}
    actions: [{emit-event: {event: order.missed, resource: {id: "{{ event.resource.id }}"}}}]
"""


def test_a_shadow_fires_without_acting_until_it_is_promoted(service: Service) -> None:
    assert service.run("apply", "-f", "-", given=SHADOW).returncode == 0
    assert "shadow" in service.run("automation", "ls").stdout
    assert '{"throttle": {"limit": 100' in service.run("automation", "inspect", "cautious").stdout
    assert "control" not in service.run("automation", "inspect", "heal").stdout
    service.run("event", "emit", "order.cancelled", "-r", "order.1")
    firings = ("automation", "firings", "cautious")
    eventually(lambda: found(service, *firings), "the shadow has fired")
    assert "emit-event shadow" in service.run(*firings).stdout
    assert found(service, "event", "ls", "-e", "order.missed") == []
    done = service.run("automation", "promote", "cautious", "--replaces", "brief")
    assert (done.returncode, "brief" in done.stderr) == (1, True)
    done = service.run("automation", "promote", "cautious")
    assert done.returncode == 0, done.stderr
    assert "version 2" in done.stderr
    assert "shadow: true" in done.stderr
    service.run("event", "emit", "order.cancelled", "-r", "order.2")
    eventually(lambda: found(service, "event", "ls", "-e", "order.missed"), "it acts")
    assert service.run("automation", "promote", "cautious").returncode == 1
    assert service.run("automation", "delete", "cautious").returncode == 0


BRIEF = """
automations:
  - name: brief
    trigger: {type: event, expect: [a.b], within: %s}
    actions: [{emit-event: {event: c.d, resource: {id: x}}}]
"""


def test_a_plan_tells_each_field_and_versions_lead_back(service: Service) -> None:
    for within in ("1m", "2m"):
        done = service.run("apply", "-f", "-", given=BRIEF % within)
        assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "~ automation brief",
        "    trigger.within: 1m → 2m",
        "    counts anew: trigger",
    ]
    assert "applied" in done.stderr
    assert service.run("automation", "rollback", "brief", "1").returncode == 0
    assert service.run("automation", "delete", "brief").returncode == 0
    assert service.run("automation", "rollback", "brief", "2").returncode == 0
    told = found(service, "automation", "versions", "brief")
    assert [(each["version"], each["change"]) for each in told] == [
        (5, "created"),
        (4, "deleted"),
        (3, "updated"),
        (2, "updated"),
        (1, "created"),
    ]
    assert found(service, "automation", "inspect", "brief")["trigger"]["within"] == "2m"
    assert service.run("automation", "rollback", "brief", "4").returncode == 2
    assert service.run("automation", "delete", "brief").returncode == 0


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
