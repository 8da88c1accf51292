"""Flows whose runs the browser looks at."""

from __future__ import annotations

import time
from typing import Literal

from pydantic import Field

from upshot import (
    RunInput,
    create_link_artifact,
    create_markdown_artifact,
    create_table_artifact,
    flow,
    pause_flow_run,
    task,
)

HOSTILE = "<script>document.title='owned'</script>"


class Approval(RunInput):
    """What a person is asked for."""

    approve: bool = False
    reviewer: str = Field(min_length=2)
    copies: int = 1
    speed: Literal["slow", "fast"] = "slow"


@task
def step(number: int) -> int:
    time.sleep(0.25)
    print(f"step {number} is done")
    return number


@task
def tiny(number: int) -> int:
    return number


@flow(log_prints=True)
def steps(count: int = 8) -> int:
    return sum(step(number) for number in range(count))


@flow
def wide(count: int = 1_000) -> int:
    return sum(future.result() for future in tiny.map(range(count)))


@flow
def asks() -> str:
    answer = pause_flow_run(wait_for_input=Approval, timeout=600)
    return f"{answer.reviewer} {answer.approve} {answer.copies} {answer.speed}"


@flow(log_prints=True)
def hostile(text: str = HOSTILE) -> str:
    print(text)
    create_markdown_artifact(f"{text} <img src=x onerror=\"document.title='owned'\">", key="told")
    create_table_artifact([{text: text}], key="rows")
    create_link_artifact("javascript:document.title='owned'", text, key="way")
    return text
