"""Limits, where users of Prefect import them from: ``upshot.concurrency.sync`` and ``.asyncio``.

Once one of these was imported, this package stands where ``from upshot import concurrency`` finds
the limit; so it can be called like that.
"""

import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Do what the limit of this name does."""
        from upshot.flows import concurrency as limit

        return limit(*args, **kwargs)


sys.modules[__name__].__class__ = _Callable
