"""The page on the dashboard says what is so: its pages are served, its pictures are there."""

from __future__ import annotations

import re
from pathlib import Path

from fastapi.routing import APIRoute

from upshot.services.api.pages import PAGES

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "dashboard.md").read_text()
MOST_BYTES = 150_000


def _served() -> set[str]:
    """Return the addresses of pages, names in the form in which the table has them."""
    routes = [route for page in PAGES for route in page.router.routes]
    paths = [r.path for r in routes if isinstance(r, APIRoute) and "GET" in (r.methods or ())]
    return {path.replace(":path}", "}") for path in paths} - {"/live", "/static/{name}"}


def test_the_table_names_every_page_and_no_other() -> None:
    assert set(re.findall(r"^\| `(/[^`]*)` \|", PAGE, re.MULTILINE)) == _served()


def test_the_pictures_are_there_and_small() -> None:
    names = re.findall(r"\]\(([\w-]+\.png)\)", PAGE)
    assert len(names) == 2
    for name in names:
        assert (DOCS / name).stat().st_size < MOST_BYTES
