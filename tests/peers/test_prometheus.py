"""A real Prometheus scrapes the real service; promtool finds nothing to say about either."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import quote

import pytest
import yaml

from tests.peers.processes import ROOT, free_port, program, read, running, wait_for

pytestmark = pytest.mark.peers

DEPLOY = ROOT / "deploy" / "prometheus"


def _promtool(*arguments: str, stdin: str | None = None) -> str:
    """Run promtool; return what it printed, or fail with it."""
    command = [program("promtool"), *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


def _config_for(service: str, folder: Path) -> Path:
    """Write the shipped configuration with the test's target and a quick interval."""
    config: dict[str, Any] = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    config["global"].update(scrape_interval="1s", scrape_timeout="1s", evaluation_interval="1s")
    config["rule_files"] = [str(DEPLOY / "rules.yml")]
    (job,) = config["scrape_configs"]
    job["static_configs"] = [{"targets": [service.removeprefix("http://")]}]
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    return path


def _query(prometheus: str, expression: str) -> list[dict[str, Any]] | None:
    """Ask Prometheus; None while it does not answer or knows nothing."""
    try:
        answer = json.loads(read(f"{prometheus}/api/v1/query?query={quote(expression)}"))
    except URLError:
        return None
    result: list[dict[str, Any]] = answer["data"]["result"]
    return result or None


@pytest.fixture(scope="module")
def prometheus(service: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus that scrapes the service; gives its address."""
    folder = tmp_path_factory.mktemp("prometheus")
    address = f"127.0.0.1:{free_port()}"
    command = (
        program("prometheus"),
        f"--config.file={_config_for(service, folder)}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
    )
    with running(folder / "prometheus.log", *command):
        yield f"http://{address}"


def test_prometheus_scrapes_the_service(prometheus: str) -> None:
    wait_for("the target to be up", lambda: _query(prometheus, 'up{job="upshot"} == 1'))
    found = wait_for(
        "a metric of ours", lambda: _query(prometheus, 'count({__name__=~"upshot_.+"}) > 0')
    )
    assert int(found[0]["value"][1]) > 0


def test_prometheus_evaluates_our_rules_without_an_error(prometheus: str) -> None:
    def evaluated() -> list[dict[str, Any]] | None:
        rules = [
            rule
            for group in json.loads(read(f"{prometheus}/api/v1/rules"))["data"]["groups"]
            for rule in group["rules"]
        ]
        return rules if rules and all(rule["health"] != "unknown" for rule in rules) else None

    wait_for("the target to be up", lambda: _query(prometheus, 'up{job="upshot"} == 1'))
    rules = wait_for("every rule to be evaluated", evaluated)
    assert {rule["health"] for rule in rules} == {"ok"}


def test_promtool_has_nothing_to_say_about_our_metrics(service: str) -> None:
    assert _promtool("check", "metrics", stdin=read(f"{service}/metrics")) == ""


def test_every_metric_that_the_rules_name_is_exposed(service: str) -> None:
    rules = yaml.safe_load((DEPLOY / "rules.yml").read_text())
    text = " ".join(rule["expr"] for group in rules["groups"] for rule in group["rules"])
    words = text.replace("(", " ").replace("{", " ").replace("[", " ").replace(")", " ").split()
    named = {word for word in words if word.startswith("upshot_")}
    exposed = {
        line.split()[2] for line in read(f"{service}/metrics").splitlines() if line[:6] == "# TYPE"
    }
    families = {name.removesuffix("_bucket") for name in named}
    assert families <= exposed


def test_promtool_accepts_our_rules() -> None:
    said = _promtool("check", "rules", "--lint-fatal", str(DEPLOY / "rules.yml"))
    assert "SUCCESS" in said
    assert "error" not in said.lower()


def test_our_rules_fire_on_the_trouble_they_name_and_only_then() -> None:
    said = _promtool("test", "rules", str(Path(__file__).with_name("rules_test.yml")))
    assert "SUCCESS" in said


@pytest.mark.parametrize("name", ["prometheus.yml", "compose.yml"])
def test_promtool_accepts_our_configurations(name: str) -> None:
    # The token's file exists only inside the composition, so the syntax is what can be checked.
    said = _promtool("check", "config", "--syntax-only", str(DEPLOY / name))
    assert "FAILED" not in said
