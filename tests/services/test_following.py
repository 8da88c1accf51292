"""Followers of a log: each gets every line, in pieces that are small whatever the lines are."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from pydantic_core import to_json

from tests.waiting import until
from upshot.events.store import Store
from upshot.flows.runs.flowrun import FlowRun, new_run
from upshot.flows.runs.registry import Runs
from upshot.flows.states import State
from upshot.services.api.following import Following, Shared
from upshot.services.history.runs import RecordedRuns


async def nothing(_: dict[str, Any]) -> None:
    return None


async def running(store: Store) -> FlowRun:
    run = new_run("etl", state=State("Running"))
    await Runs(store).create(run)
    return run


async def say(store: Store, run: FlowRun, *messages: str) -> None:
    for text in messages:
        line = to_json({"level": "info", "logger": "flow", "message": text})
        await store.execute("XADD", store.keys("logs", run.id), "*", "l", line)


def following(store: Store) -> Following:
    runs = Runs(store)
    return Following(runs, RecordedRuns(store, runs, None), asyncio.Event())


def said(pieces: list[bytes]) -> list[str]:
    data = [line[6:] for line in b"".join(pieces).decode().splitlines() if line[:6] == "data: "]
    return [json.loads(each)["message"] for each in data if "level" in json.loads(each)]


@pytest.mark.parametrize("size", [1, 400, 16 * 1024])
async def test_a_log_is_told_whole_in_small_pieces(store: Store, size: int) -> None:
    run = await running(store)
    texts = [f"{number:<{size}}" for number in range(300)]
    await say(store, run, *texts)
    await Runs(store).transition(run, State("Completed"), own=False)
    pieces = [each async for each in following(store).follow(run.id, "0-0", nothing)]
    assert said(pieces) == texts
    assert pieces[-1].startswith(b"event: end\n")
    assert max(map(len, pieces)) < 256 * 1024
    assert size > 1_000 or len(pieces) < 20


async def test_what_is_said_right_before_the_end_is_told_to_all(store: Store) -> None:
    run, follow = await running(store), following(store)
    told: list[list[bytes]] = [[], [], []]

    async def listen(pieces: list[bytes]) -> None:
        async for piece in follow.follow(run.id, "0-0", nothing):
            pieces.append(piece)

    async def heard() -> bool:
        return all(said(pieces) for pieces in told)

    async with asyncio.TaskGroup() as group:
        for pieces in told:
            group.create_task(listen(pieces))
        await say(store, run, "first")
        await until(heard, "all have heard the first line")
        await say(store, run, "last")
        await Runs(store).transition(run, State("Completed"), own=False)
    assert [said(pieces) for pieces in told] == [["first", "last"]] * 3


async def test_those_who_ask_the_same_at_one_time_ask_once() -> None:
    asked: list[str] = []

    async def ask() -> str:
        asked.append("once")
        await asyncio.sleep(0)
        return f"answer {len(asked)}"

    shared = Shared(60.0)
    answers = await asyncio.gather(*(shared.answer("a", ask) for _ in range(5)))
    assert (answers, asked) == (["answer 1"] * 5, ["once"])
    assert await shared.answer("b", ask) == "answer 2"
    hasty = Shared(0.0)
    assert [await hasty.answer("a", ask) for _ in range(2)] == ["answer 3", "answer 4"]
