"""Task runners, where users of Prefect import them from."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from upshot.flows import (
        AsyncioTaskRunner as AsyncioTaskRunner,
        ConcurrentTaskRunner as ConcurrentTaskRunner,
        DaskTaskRunner as DaskTaskRunner,
        ProcessPoolTaskRunner as ProcessPoolTaskRunner,
        TaskRunner as TaskRunner,
        ThreadPoolTaskRunner as ThreadPoolTaskRunner,
    )
else:
    from upshot.flows import __getattr__ as __getattr__
