"""Tasks that many tests call."""

from __future__ import annotations

import asyncio

from upshot import task


@task
def double(x: int) -> int:
    return 2 * x


@task
def total(numbers: list[int]) -> int:
    return sum(numbers)


@task
async def triple(x: int) -> int:
    await asyncio.sleep(0)
    return 3 * x
