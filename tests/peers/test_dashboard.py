"""A real Chromium looks at the pages of the real service: live, with buttons, and inert."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from tests.peers.looked_at import HOSTILE
from tests.peers.processes import program, read, wait_for

pytestmark = pytest.mark.peers

FLOWS = Path(__file__).with_name("looked_at.py")
NAMES = ("steps", "wide", "asks", "hostile")
PAGES = ("/", "/runs", "/deployments", "/automations", "/work", "/limits", "/assets", "/docs")
WIDTHS = (1400, 400)


class Browser:
    """A browser that is shown the pages of a service.

    Args:
        service: its address.
    """

    def __init__(self, driver: Chrome, service: str) -> None:
        self.driver, self.service = driver, service

    def open(self, path: str) -> None:
        self.driver.get(self.service + path)

    def text(self) -> str:
        """What the page says; nothing while another one is on its way."""
        try:
            return str(self.driver.find_element(By.TAG_NAME, "main").text)
        except (NoSuchElementException, StaleElementReferenceException):
            return ""

    def wait_for(self, *texts: str) -> None:
        wait_for(
            f"{texts} on {self.address()}",
            lambda: all(each in self.text() for each in texts) or None,
        )

    def state(self) -> str | None:
        """The state of the run on the page, if the page of one is there already."""
        found: str | None = self.run("return document.querySelector('.head .state')?.textContent")
        return found

    def wait_for_state(self, *states: str) -> None:
        wait_for(f"the page to say {states}", lambda: self.state() in states or None)

    def wait_for_page(self, path: str) -> str:
        """Wait until a page below ``path`` is shown, and say which."""
        begin = self.service + path
        wait_for(f"a page below {path}", lambda: self.address().startswith(begin) or None)
        return self.address().removeprefix(begin)

    def address(self) -> str:
        return self.driver.current_url

    def run(self, script: str) -> Any:
        return self.driver.execute_script(script)

    def press(self, what: str) -> None:
        """Press a button or a link, which may be renewed just now or be about to come."""
        wait_for(f"{what!r}, to press it", lambda: self._pressed(what))

    def _pressed(self, what: str) -> bool | None:
        found = f"//main//*[self::button or self::a][normalize-space()='{what}']"
        try:
            self.driver.find_element(By.XPATH, found).click()
        except (NoSuchElementException, StaleElementReferenceException):
            return None
        return True

    def field(self, name: str) -> Any:
        return self.driver.find_element(By.NAME, f"field.{name}")

    def complaints(self) -> list[str]:
        told = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [str(each["message"]) for each in told]


@pytest.fixture(scope="module")
def driver() -> Iterator[Chrome]:
    """A browser without a window."""
    options = ChromeOptions()
    options.binary_location = program("chromium")
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with Chrome(options=options, service=Service(program("chromedriver"))) as driver:
        yield driver


@pytest.fixture
def browser(driver: Chrome, service: str) -> Iterator[Browser]:
    """The browser, which at the end must have had nothing to complain about."""
    found = Browser(driver, service)
    found.complaints()  # of the test before
    yield found
    assert found.complaints() == []


def _post(service: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{service}/api/v1{path}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


@pytest.fixture(scope="module")
def deployed(service: str) -> str:
    """The service's address, once it has the flows."""
    for name in NAMES:
        doc = {"name": f"{name}/seen", "entrypoint": f"{FLOWS}:{name}", "parameters": {}}
        if name == "steps":
            doc["parameters"] = {"count": 8}
        _post(service, "/deployments", doc)
    return service


def _start(service: str, flow: str, **parameters: Any) -> str:
    body = {"deployment": f"{flow}/seen", "parameters": parameters}
    return str(_post(service, "/runs", body)["id"])


def _run(service: str, run: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(read(f"{service}/api/v1/runs/{run}"))
    return found


def test_a_run_goes_from_running_to_completed_without_a_reload(
    browser: Browser, deployed: str
) -> None:
    run = _start(deployed, "steps", count=12)
    browser.open(f"/runs/{run}")
    browser.run("window.marked = true")
    browser.wait_for_state("Running")
    browser.wait_for("step 3 is done")
    browser.wait_for_state("Completed")
    browser.wait_for("step 11 is done", "step-11")
    assert browser.run("return window.marked") is True
    assert browser.text().count("step 3 is done") == 1


def test_a_form_answers_a_pause_and_says_what_is_wrong(browser: Browser, deployed: str) -> None:
    run = _start(deployed, "asks")
    browser.open(f"/runs/{run}")
    browser.wait_for_state("Paused")
    browser.wait_for("Reviewer")
    browser.field("reviewer").send_keys("A")
    browser.field("copies").clear()
    browser.field("copies").send_keys("3")
    Select(browser.field("speed")).select_by_visible_text("fast")
    browser.field("approve").click()
    browser.press("Resume")
    browser.wait_for("Unprocessable", "reviewer")
    assert any("422" in each for each in browser.complaints())  # Chromium notes it itself
    assert browser.address() == f"{deployed}/runs/{run}"
    assert browser.field("copies").get_attribute("value") == "3"
    assert browser.field("approve").is_selected()
    browser.field("reviewer").send_keys("na")
    browser.press("Resume")
    browser.wait_for_state("Completed")
    assert _run(deployed, run)["result"] == "Ana True 3 fast"


def test_what_somebody_types_stays_while_the_page_is_renewed(
    browser: Browser, deployed: str
) -> None:
    run = _start(deployed, "asks")
    browser.open(f"/runs/{run}")
    browser.wait_for_state("Paused")
    browser.field("reviewer").send_keys("half a na")
    before = len(browser.run("return performance.getEntriesByType('resource')"))
    browser.run("look()")
    wait_for(
        "the page to be asked for again",
        lambda: (
            len(browser.run("return performance.getEntriesByType('resource')")) > before or None
        ),
    )
    browser.field("reviewer").send_keys("me")
    assert browser.field("reviewer").get_attribute("value") == "half a name"
    browser.press("Cancel")
    browser.wait_for_state("Cancelled")


def test_a_task_run_leads_to_what_it_said_and_the_log_is_sifted(
    browser: Browser, deployed: str
) -> None:
    run = _start(deployed, "steps", count=12)
    browser.open(f"/runs/{run}")
    browser.wait_for_state("Completed")
    browser.press("step-1")
    seen = "return [...document.querySelectorAll('#log div:not([hidden])')].map(e => e.innerText)"
    assert [line.partition(" ")[2] for line in browser.run(seen)] == ["step-1 step 1 is done"]
    text = browser.driver.find_element(By.NAME, "text")
    text.clear()
    text.send_keys("STEP-11 ")
    assert len(browser.run(seen)) == 1
    Select(browser.driver.find_element(By.NAME, "least")).select_by_visible_text("error")
    assert browser.run(seen) == []


def test_a_button_cancels_a_run_and_another_runs_it_again(browser: Browser, deployed: str) -> None:
    run = _start(deployed, "steps", count=1_000)
    browser.open(f"/runs/{run}")
    browser.wait_for("step 1 is done")
    browser.press("Cancel")
    browser.wait_for_state("Cancelled")
    assert _run(deployed, run)["state"]["type"] == "Cancelled"
    browser.press("Retry")
    browser.wait_for_state("Running")
    browser.press("Pause")
    browser.wait_for_state("Paused", "Suspended")
    browser.press("Resume")
    browser.wait_for_state("Running")
    browser.press("Cancel")
    browser.wait_for_state("Cancelled")


def test_a_deployment_is_run_with_the_parameters_of_its_form(
    browser: Browser, deployed: str
) -> None:
    browser.open(f"/deployments/{quote('steps/seen', safe='')}")
    browser.field("count").clear()
    browser.field("count").send_keys("1")
    browser.press("Run")
    run = browser.wait_for_page("/runs/")
    browser.wait_for_state("Completed")
    assert _run(deployed, run)["parameters"] == {"count": 1}


def test_a_thousand_mapped_tasks_are_one_line_until_somebody_asks(
    browser: Browser, deployed: str
) -> None:
    run = _start(deployed, "wide")
    browser.open(f"/runs/{run}")
    browser.wait_for_state("Completed")
    browser.wait_for("1,000 Completed")
    assert browser.run("return document.querySelectorAll('.gantt svg').length") == 1
    browser.press("tiny")
    browser.wait_for("Runs of tiny", "tiny-0", "tiny-499")


@pytest.mark.parametrize(
    "text", [HOSTILE, "\u202e" + HOSTILE, "'\"><img src=x onerror=alert(1)>" * 300]
)
def test_hostile_text_is_only_text(browser: Browser, deployed: str, text: str) -> None:
    run = str(
        _post(
            deployed,
            "/runs",
            {"deployment": "hostile/seen", "name": text[:200], "parameters": {"text": text}},
        )["id"]
    )
    browser.open(f"/runs/{run}")
    browser.wait_for_state("Completed")
    browser.wait_for("Artifacts", text.strip("\u202e")[:30])
    for path in (f"/runs/{run}", "/", "/runs", "/deployments/hostile%2Fseen"):
        browser.open(path)
        assert browser.run("return document.title") != "owned"
        assert browser.run("return document.querySelectorAll('script').length") == 2
        assert browser.run("return document.querySelectorAll('main img, [onerror]').length") == 0
        assert (
            browser.run("return document.querySelectorAll('a[href^=\"javascript\"]').length") == 0
        )


@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_fits_the_width_of_the_screen(
    browser: Browser, deployed: str, width: int
) -> None:
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    run = _start(deployed, "steps", count=1)
    for path in (*PAGES, f"/runs/{run}", "/deployments/steps%2Fseen"):
        browser.open(path)
        assert browser.run("return document.documentElement.scrollWidth") <= width, path
    browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
