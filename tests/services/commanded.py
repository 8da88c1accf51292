"""A whole service with flows and definitions, for commands that are typed against it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .service import Service

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


@contextmanager
def commanded(folder: Path) -> Iterator[Service]:
    """Run a service in which the flows are deployed and the definitions applied."""
    running = Service(folder, GREETING="hello")
    (folder / "flows.py").write_text(FLOWS)
    (folder / "upshot.yaml").write_text(DEFINITIONS)
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
