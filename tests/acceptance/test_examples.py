"""The examples load as they stand, and decide what their first lines promise."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import from_json

from upshot.automations import Automation, Evaluator, Firing
from upshot.automations.exceptions import InvalidDefinition
from upshot.automations.files.loading import Definitions, load, loads
from upshot.automations.trying.testing import run
from upshot.events.event import Event, Recorded
from upshot.events.store import SyncStore
from upshot.flows.definitions.entrypoints import load_flow
from upshot.flows.exceptions import AssetCheckFailed
from upshot.services.demo.stage import Stage
from upshot.services.demo.steps import until

EXAMPLES = Path(__file__).parents[2] / "examples"
README = (EXAMPLES.parent / "README.md").read_text()
ENVIRONMENT = {
    "GITHUB_SECRET": "a secret",
    "ONCALL_MAIL": "json://127.0.0.1:9000/",
    "ONCALL_HOOK": "json://127.0.0.1:9000/",
}


@pytest.fixture(scope="module")
def definitions() -> Definitions:
    return load([EXAMPLES], ENVIRONMENT)


def _automation(definitions: Definitions, name: str) -> Automation:
    return next(each for each in definitions.automations if each.name == name)


def _recorded(name: str, resource: str, at: int) -> Recorded:
    event = Event(event=name, resource={"id": resource})
    return Recorded(f"{at}-0", at, event.model_dump(mode="json"))


def test_all_examples_load_together(definitions: Definitions) -> None:
    folders = {path.parent.name for path in EXAMPLES.glob("*/automations.yaml")}

    assert folders == {"etl", "github", "heartbeat", "logins", "orders", "words"}
    assert {each.name for each in definitions.webhooks} == {"github"}
    assert {each.name for each in definitions.receivers} == {
        "oncall-mail",
        "oncall-hook",
        "orders-desk",
    }
    assert {each.name for each in definitions.deployments} == {
        "github-report/deliveries",
        "orders/fulfil",
        "words/these",
        "zones/world",
    }


def test_the_entrypoints_of_the_examples_exist(definitions: Definitions) -> None:
    for deployment in definitions.deployments:
        path, _, function = deployment.entrypoint.rpartition(":")
        assert f"def {function}(" in Path(path).read_text()


def test_a_missing_secret_is_named_with_its_line() -> None:
    without = {key: value for key, value in ENVIRONMENT.items() if key != "GITHUB_SECRET"}

    with pytest.raises(InvalidDefinition, match=r"automations\.yaml:\d+:\d+: .*GITHUB_SECRET"):
        load([EXAMPLES], without)


def test_every_automation_of_the_examples_passes_its_own_tests(definitions: Definitions) -> None:
    for automation in definitions.automations:
        ended = run(automation)
        assert ended, f"{automation.name} has no tests"
        assert [each.to_dict() for each in ended if not each.passed] == []


def test_the_automations_of_the_readme_pass_their_own_tests() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    ended = [each for block in blocks for rule in loads(block).automations for each in run(rule)]
    assert len(ended) == 1
    assert [each.problems for each in ended] == [()]


def test_three_failed_logins_of_one_user_fire_once(definitions: Definitions) -> None:
    evaluator = Evaluator()
    evaluator.define(_automation(definitions, "suspicious-logins"), 1, 0)
    users = ["user.ana", "user.ben", "user.ana", "user.ben", "user.ana", "user.ana"]

    fired = [
        (at, outcome.labels)
        for at, user in enumerate(users, 1)
        for outcome in evaluator.on_event(_recorded("login.failed", user, at * 1000))
        if isinstance(outcome, Firing)
    ]

    assert fired == [(5, {"id": "user.ana"})]


def test_only_the_sensor_that_fell_silent_fires(definitions: Definitions) -> None:
    evaluator = Evaluator()
    evaluator.define(_automation(definitions, "silent-sensors"), 1, 0)
    beats = [("sensor.attic", 1_000), ("sensor.cellar", 2_000), ("sensor.attic", 50_000)]
    for sensor, at in beats:
        assert evaluator.on_event(_recorded("sensor.heartbeat", sensor, at)) == []

    assert evaluator.advance(62_000) == []
    fired = [each for each in evaluator.advance(62_001) if isinstance(each, Firing)]
    assert [each.labels for each in fired] == [{"id": "sensor.cellar"}]
    assert evaluator.advance(70_000) == []


@pytest.fixture(scope="module")
def shop(stage: Stage) -> Path:
    """Return the shop of the orders' example; its desk hears by the stage's receiver."""
    desk = stage.folder / "desk.yaml"
    url = f"json://127.0.0.1:{stage.inbox.port}/"
    desk.write_text(json.dumps({"receivers": [{"name": "orders-desk", "url": url}]}))
    stage.service.command("apply", "-f", str(desk))
    return stage.folder / "shop.sqlite"


def _ordered(stage: Stage, order: int, state: str) -> str:
    """Order something; return its run, which gets into a state."""
    command = ("deployment", "run", "orders/fulfil", "-p", f"order={order}", "--output", "json")
    run: str = json.loads(stage.service.command(*command))["id"]
    _until_state(stage, run, state)
    return run


def _until_state(stage: Stage, run: str, state: str) -> dict[str, Any]:
    def there() -> dict[str, Any] | None:
        shown: dict[str, Any] = stage.client.get(f"/runs/{run}")
        return shown if shown["state"]["name"] == state else None

    return until(f"the run is {state}", there)


def _steps(shop: Path, run: str) -> list[str]:
    with closing(sqlite3.connect(shop)) as database:
        found = database.execute("SELECT step FROM ledger WHERE run = ? ORDER BY place", (run,))
        return [step for (step,) in found]


def _heard(stage: Stage, title: str) -> bool:
    return title in [each["title"] for each in stage.inbox.posts]


def _stock(shop: Path) -> dict[str, int]:
    with closing(sqlite3.connect(shop)) as database:
        return dict(database.execute("SELECT article, pieces FROM stock"))


def test_a_small_order_ships_at_once_and_only_once(stage: Stage, shop: Path) -> None:
    run = _ordered(stage, 536365, "Completed")
    again = _ordered(stage, 536365, "Completed")

    assert _steps(shop, run) == ["reserved", "charged", "shipped"]
    assert _steps(shop, again) == []
    assert stage.client.get(f"/runs/{again}")["result"] == "536365 is on its way to customer 17850"


def test_an_order_that_is_rejected_is_rolled_back_newest_first(stage: Stage, shop: Path) -> None:
    _ordered(stage, 536365, "Completed")
    before = _stock(shop)

    run = _ordered(stage, 536386, "Suspended")

    assert _stock(shop) != before  # it is reserved while somebody thinks
    question = "Ship order 536386 of customer 16029 for £508.20?"
    until("the desk hears", lambda: _heard(stage, question) or None)
    stage.service.command(
        "run", "resume", run, "--input", '{"approve": false, "note": "no credit"}'
    )
    assert "no credit" in _until_state(stage, run, "Failed")["state"]["message"]
    assert _steps(shop, run) == ["reserved", "charged", "refunded", "put back"]
    assert _stock(shop) == before


def test_an_order_that_is_approved_ships(stage: Stage, shop: Path) -> None:
    run = _ordered(stage, 536386, "Suspended")
    stage.service.command("run", "resume", run, "--input", '{"approve": true}')

    assert (
        _until_state(stage, run, "Completed")["result"] == "536386 is on its way to customer 16029"
    )
    assert _steps(shop, run) == ["reserved", "charged", "shipped"]


def test_an_order_for_more_than_there_is_charges_nobody(stage: Stage, shop: Path) -> None:
    run = _ordered(stage, 536366, "Failed")

    assert _steps(shop, run) == []


def test_the_table_of_time_zones_is_made_checked_and_reported(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPSHOT_REDIS_URL", store_url)
    monkeypatch.setenv("UPSHOT_DATA_DIR", str(tmp_path))
    with closing(SyncStore(store_url)) as store:
        store.load_functions()
        zones = load_flow(f"{EXAMPLES / 'etl' / 'zones.py'}:zones")
        counts = zones(target=str(tmp_path))
        log = store.execute("XRANGE", store.keys("log"), "-", "+")
        upstream = store.execute("SMEMBERS", store.keys("upstream", "zones/per-area"))
    names = Counter(from_json(body)["event"] for _, (_, body) in log)
    assert counts["Africa"] == 19
    assert sum(counts.values()) == len((tmp_path / "zones.csv").read_text().splitlines()) - 1
    assert names["asset.materialized"] == 3
    assert names["asset.check-passed"] == 3
    assert names["artifact.created"] == 2
    assert [*upstream] == [b"zones/table"]


def test_a_zone_that_is_not_on_earth_stops_the_report(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPSHOT_REDIS_URL", store_url)
    monkeypatch.setenv("UPSHOT_DATA_DIR", str(tmp_path))
    with closing(SyncStore(store_url)) as store:
        store.load_functions()
        wrong = tmp_path / "zones.tab"
        wrong.write_text("XX\t+9530+00131\tMoon/Tranquility\n")
        zones = load_flow(f"{EXAMPLES / 'etl' / 'zones.py'}:zones")
        with pytest.raises(AssetCheckFailed, match="zones_are_on_earth of zones/table"):
            zones(str(wrong), str(tmp_path))
        assert not store.execute("EXISTS", store.keys("asset", "zones/per-area"))
    assert not (tmp_path / "zones.csv").exists()
