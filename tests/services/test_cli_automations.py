"""The command line and automations: what they did and why, their versions, shadows and pauses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import eventually

from .commanded import commanded
from .service import Service, found


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with commanded(tmp_path_factory.mktemp("up")) as running:
        yield running


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
