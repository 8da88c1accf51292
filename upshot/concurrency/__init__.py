"""Limits, where users of Prefect import them from: ``upshot.concurrency.sync`` and ``.asyncio``.

Once one of these was imported, this package stands where ``from upshot import concurrency`` finds
the limit; so it can be called like that.
"""

import sys
from types import ModuleType
from typing import Any

from upshot.flows.limits.concurrency import concurrency as limit


class _Callable(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> limit:
        """Do what the limit of this name does."""
        return limit(*args, **kwargs)


sys.modules[__name__].__class__ = _Callable
