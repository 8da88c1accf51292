"""Pages for people: made on the server of what the API answers, and live in the browser.

1. A page's function asks the handlers of the API, the same that programs ask, for their JSON.
2. Its template shows that. What events and runs say of themselves is text of strangers: every
   value is escaped, and the browser is told to run no script but ours.
3. While a page is looked at, `/live` tells it that something changed; it asks for itself again,
   and only what differs is swapped.
4. A button is a form that posts to its page; what is refused is shown above it, and nothing lost.
"""

from __future__ import annotations

from fastapi import APIRouter

from . import assets, automations, deployments, docs, limits, live, now, run, runs, static, work

__all__ = ["PAGES", "router"]

PAGES = (now, runs, run, deployments, work, limits, assets, automations, live, static, docs)
"""The modules that serve them."""

router = APIRouter()
for _page in PAGES:
    router.include_router(_page.router)
