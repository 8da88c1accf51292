"""Task runners, where users of Prefect import them from."""

from upshot.flows import (
    AsyncioTaskRunner as AsyncioTaskRunner,
    DaskTaskRunner as DaskTaskRunner,
    ProcessPoolTaskRunner as ProcessPoolTaskRunner,
    TaskRunner as TaskRunner,
    ThreadPoolTaskRunner as ThreadPoolTaskRunner,
)

ConcurrentTaskRunner = ThreadPoolTaskRunner
