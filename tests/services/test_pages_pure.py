"""What pages decide without asking anybody: where bars and boxes stand, and what is harmless."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upshot.flows.runs.tasks import summed
from upshot.services.api.pages import gantt, picture, shown
from upshot.services.api.pages.rendering import duration, query

START, MIDDLE, END = (f"2026-01-01T00:00:{second:02}Z" for second in (0, 4, 8))


def _task(name: str, started: str | None, ended: str | None, state: str) -> dict[str, Any]:
    return {
        "task": name,
        "created": started or START,
        "started": started,
        "ended": ended,
        "state": {"name": state},
    }


def test_task_runs_are_summed_up_in_the_order_of_their_tasks() -> None:
    runs = [
        _task("b", START, MIDDLE, "Completed"),
        _task("a", MIDDLE, None, "Running"),
        _task("b", MIDDLE, END, "Failed"),
        _task("b", MIDDLE, MIDDLE, "Completed") | {"after": ["a"]},
    ]
    first, second = summed(runs)
    assert (first["task"], first["runs"]) == ("b", 3)
    assert first["states"] == {"Completed": 2, "Failed": 1}
    assert (first["started"], first["ended"]) == (START, END)
    assert (second["task"], second["ended"]) == ("a", None)
    assert (first["after"], second["after"]) == (["a"], [])


def test_a_bar_stands_where_its_task_ran() -> None:
    over = gantt.Scale(START, END)
    half, open_end, unbegun = gantt.task_bars(
        over,
        summed(
            [
                _task("half", START, MIDDLE, "Completed"),
                _task("open", MIDDLE, None, "Running"),
                _task("unbegun", None, None, "Pending"),
            ]
        ),
    )
    assert (half.x, half.width, half.took) == (0, 500, "4.0s")
    assert (open_end.x, open_end.width, open_end.tone) == (500, 500, "busy")
    assert unbegun.x is None
    assert over.ticks == ["0ms", "2.0s", "4.0s", "6.0s", "8.0s"]


def test_one_failure_among_many_colours_their_bar() -> None:
    runs = [_task("t", START, END, "Completed")] * 999 + [_task("t", START, END, "Failed")]
    (bar,) = gantt.task_bars(gantt.Scale(START, END), summed(runs))
    assert (bar.tone, bar.runs, bar.note) == ("bad", 1000, "999 Completed, 1 Failed")


_SECONDS = st.integers(0, 59).map(lambda second: f"2026-01-01T00:00:{second:02}Z")


@given(_SECONDS, _SECONDS, _SECONDS, st.none() | _SECONDS)
def test_no_bar_leaves_the_timeline(start: str, end: str, began: str, ended: str | None) -> None:
    x, width = gantt.Scale(start, end).span(began, ended)
    assert x is not None
    assert x >= 0
    assert width > 0
    assert x + width <= gantt.WIDTH


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (-1, "0ms"), (0.25, "250ms"), (4.3, "4.3s"), (125, "2m 5s"), (3_840, "1h 4m")],
)
def test_lengths_of_time_are_told_in_two_parts_at_most(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_an_address_keeps_what_was_asked_for() -> None:
    assert query({"state": "Failed", "flow": ""}, cursor="1-a&b") == "?state=Failed&cursor=1-a%26b"


LINEAGE = {
    "key": "table",
    "materialized": START,
    "upstream": [
        {"key": "source", "materialized": START, "upstream": []},
        {"key": "both", "materialized": None, "upstream": [{"key": "source", "again": True}]},
    ],
    "downstream": [{"key": "report", "materialized": None, "downstream": []}],
}


def test_what_an_asset_is_made_of_stands_left_of_it_and_what_is_made_of_it_right() -> None:
    found = picture.lineage(LINEAGE)
    at = {node.name: node.x for node in found.nodes}
    assert at["source"] < at["table"] < at["report"]
    assert len(found.lines) == 4


_NAMES = st.sampled_from("abcdefgh")


@given(st.dictionaries(_NAMES, st.lists(_NAMES, max_size=4), max_size=8))
def test_every_box_has_a_place_of_its_own_also_in_circles(after: dict[str, list[str]]) -> None:
    found = picture.dependencies(after, {})
    assert {node.name for node in found.nodes} == {
        *after,
        *(n for each in after.values() for n in each),
    }
    assert len({(node.x, node.y) for node in found.nodes}) == len(found.nodes)
    for node in found.nodes:
        assert node.x + node.width <= found.width
        assert node.y + node.height <= found.height


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[way](javascript:alert(1))",
        "![pixel](https://example.org/pixel.png)",
        "<div hx-get='/runs/x/cancel' hx-trigger=load>",
        "[way](data:text/html;base64,PHNjcmlwdD4=)",
    ],
)
def test_markdown_brings_no_element_that_acts(text: str) -> None:
    html = str(shown.markdown(text))
    tags = re.findall(r"<(\w+)([^>]*)>", html)
    assert {name for name, _ in tags} <= {"p", "a"}
    assert all("href" not in rest or "https:" in rest for _, rest in tags)


def test_markdown_is_shown_as_it_is_meant() -> None:
    html = str(shown.markdown("# Report\n\n| a | b |\n|---|---|\n| 1 | **2** |"))
    assert "<h1>Report</h1>" in html
    assert "<td><strong>2</strong></td>" in html


def test_an_enormous_text_is_shown_as_it_was_written() -> None:
    assert str(shown.markdown("*" * 300_000)).startswith("<pre>")


@pytest.mark.parametrize("mark", ["[", "*a ", "_*"])
def test_a_text_of_marks_whose_other_halves_would_be_looked_for_at_length_is_too(mark: str) -> None:
    assert str(shown.markdown(mark * 10_000)).startswith("<pre>")


@pytest.mark.parametrize(
    ("address", "link", "image"),
    [
        ("https://example.org", True, True),
        ("javascript:alert(1)", False, False),
        (" javascript:alert(1)", False, False),
        ("data:image/png;base64,AA", False, True),
        ("data:text/html,x", False, False),
        ("//[", False, False),
    ],
)
def test_only_plain_addresses_are_led_to(address: str, link: bool, image: bool) -> None:
    assert (shown.is_safe(address), shown.is_safe_image(address)) == (link, image)


@pytest.mark.parametrize(
    "data",
    [{"city": ["Rome", "Oslo"], "n": [1]}, [{"city": "Rome", "n": 1}, {"city": "Oslo"}]],
)
def test_a_table_of_columns_and_one_of_rows_look_alike(data: Any) -> None:
    assert shown.table(data) == shown.Table(("city", "n"), (("Rome", 1), ("Oslo", None)))


def test_a_long_table_says_how_much_is_left_out() -> None:
    assert shown.table([[number] for number in range(1_000)]).left_out == 800
