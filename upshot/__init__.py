"""Upshot turns events into outcomes; this is its public face, and each name loads when first used.

``import upshot`` itself loads nothing else, so that a flow process pays for what it uses and no
more. The rooms behind the names are ``upshot.events``, ``upshot.flows``, ``upshot.automations``
and ``upshot.services``; all that ``upshot.flows`` offers is here as well. The modules next to this
one (``upshot.states``, ``upshot.tasks``, …) offer the same names where users of Prefect know them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from upshot.events import Event as Event
    from upshot.flows import *  # noqa: F403 - each of them says that it is offered
    from upshot.services.automation import Automation as Automation

    __version__: str
else:

    def __getattr__(name: str) -> Any:
        """Load a public name from its room, or a module of this package, once.

        Raises:
            AttributeError: when Upshot has no such public name.
        """
        value = _found(name)
        if not name.startswith("_"):
            globals()[name] = value
        return value


_FROM_ELSEWHERE: Final = {"Automation": "upshot.services.automation", "Event": "upshot.events"}


def _found(name: str) -> Any:
    if name == "__version__":
        from importlib import metadata

        return metadata.version("upshot")
    if name == "__all__":
        return sorted([*_FROM_ELSEWHERE, *importlib.import_module("upshot.flows").__all__])
    if name.startswith("_"):
        raise _missing(name)
    return _offered(name)


def _offered(name: str) -> Any:
    if name in _FROM_ELSEWHERE:
        return getattr(importlib.import_module(_FROM_ELSEWHERE[name]), name)
    flows = importlib.import_module("upshot.flows")
    if name in flows.__all__:
        return getattr(flows, name)
    try:
        return importlib.import_module(f"upshot.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"upshot.{name}":
            raise
        raise _missing(name) from None


def _missing(name: str) -> AttributeError:
    return AttributeError(f"module 'upshot' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *_found("__all__"), "__version__"})
