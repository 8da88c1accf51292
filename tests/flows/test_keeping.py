"""Results: kept as chosen, where chosen, or a clear error; and gone when nobody needs them."""

from __future__ import annotations

import threading
import zlib
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from upshot import DEFAULT, INPUTS, flow, task
from upshot.events.store import Store
from upshot.flows.exceptions import ResultNotKept
from upshot.flows.results.formats import SERIALIZERS, keep, restore
from upshot.services.scheduler.litter import Litter

from .conftest import Processes, Seen

FAR = 10**15


class Odd:
    """A value that JSON does not give back."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Odd)

    __hash__ = None  # type: ignore[assignment]


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("serializer", SERIALIZERS)
def test_each_serializer_gives_back_what_it_took(serializer: Any) -> None:
    value = {"a": [1, 2.5, None, "ä"] * 100}
    kept = keep(value, lambda: None, serializer)
    assert kept is not None
    assert restore(kept, lambda: None, pickled=True) == value
    assert kept.suffix == {
        "json": ".json", "pickle": ".pickle",
        "compressed/json": ".json.z", "compressed/pickle": ".pickle.z",
    }[serializer]  # fmt: skip


def test_nothing_is_unpickled_unless_the_task_says_pickle() -> None:
    kept = keep(Odd(), lambda: None, "compressed/pickle")
    assert kept is not None
    with pytest.raises(ValueError, match='result_serializer is not "pickle"'):
        restore(kept, lambda: None)


@pytest.mark.parametrize("damage", [b"", b"no", zlib.compress(b"no")])
def test_a_damaged_result_is_said_to_be_damaged(damage: bytes) -> None:
    kept = keep(Odd(), lambda: None, "compressed/pickle")
    assert kept is not None
    with pytest.raises(ValueError, match=r"damaged|can't be unpickled"):
        restore(type(kept)(kept.form, damage), lambda: None, pickled=True)


def test_results_lie_where_the_task_or_else_the_flow_says(seen: Seen, tmp_path: Path) -> None:
    @task(result_storage=tmp_path / "mine", persist_result=True)
    def mine() -> int:
        return 1

    @task
    def theirs() -> int:
        return 2

    @task(persist_result=False)
    def none() -> int:
        return 3

    @flow(result_storage=tmp_path / "flow", result_serializer="compressed/json")
    def f() -> int:
        return mine() + theirs() + none()

    assert f() == 6
    run = seen.only_run()
    assert all(path.parent.name == "cache" for path in files_in(tmp_path / "mine"))
    (kept,) = files_in(tmp_path / "flow")
    assert kept.parent.name == run.id
    assert zlib.decompress(kept.read_bytes()) == b"2"
    records = seen.tasks()
    assert records["theirs-0"]["checkpoint"] == {
        "form": "compressed/json",
        "path": str(kept),
        "digest": sha256(kept.read_bytes()).hexdigest(),
    }
    assert [records[name]["result"] for name in ("theirs-0", "none-0")] == [None, None]
    assert records["none-0"]["checkpoint"] is None


def test_pickle_is_a_choice_and_goes_to_a_file(seen: Seen, tmp_path: Path) -> None:
    count = iter(range(9))

    @task(result_serializer="pickle", cache_policy=INPUTS)
    def odd() -> tuple[Odd, int]:
        return Odd(), next(count)

    @flow
    def f() -> int:
        value, number = odd()
        assert value == Odd()
        return number

    assert (f(), f()) == (0, 0)
    (kept,) = files_in(tmp_path / "data")
    assert kept.suffix == ".pickle"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "JSON does not give this lock back; annotate what the task returns"),
        ({"result_serializer": "pickle"}, "can't be pickled: TypeError: cannot pickle"),
        ({"result_storage": "/proc/nowhere", "result_serializer": "json"}, "can't be"),
    ],
)
def test_a_result_that_had_to_be_kept_and_can_not_be_fails_its_task(
    seen: Seen, options: dict[str, Any], message: str
) -> None:
    @task(persist_result=True, **options)
    def lock() -> Any:
        return 1 if "result_storage" in options else threading.Lock()

    @flow
    def f() -> None:
        lock()

    with pytest.raises(ResultNotKept, match=message) as caught:
        f()
    assert str(caught.value).startswith("the result of lock-0 is not kept: ")
    assert seen.states("lock-0")[-1] == "Failed"


def test_a_result_that_need_not_be_kept_fails_nothing(seen: Seen) -> None:
    @task(cache_policy=INPUTS, result_storage="/proc/nowhere")
    def one() -> int:
        return 1

    @flow
    def f() -> int:
        return one()

    assert f() == 1
    assert any("can't be written to /proc/nowhere: " in line for line in seen.messages())


def test_a_result_with_a_name_of_its_own_is_found_by_it(seen: Seen, tmp_path: Path) -> None:
    ran: list[str] = []

    @task(result_storage_key="sales/{parameters[day]}.json", result_storage=tmp_path / "kept")
    def sales(day: str) -> str:
        ran.append(day)
        return day.upper()

    @flow
    def f() -> list[str]:
        return [sales("mo"), sales("mo"), sales("../../tu")]

    assert f() == ["MO", "MO", "../../TU"]
    assert ran == ["mo", "../../tu"]
    (kept,) = files_in(tmp_path / "kept" / "sales")
    assert (kept.relative_to(tmp_path / "kept").as_posix(), kept.read_bytes()) == (
        "sales/mo.json", b'"MO"',
    )  # fmt: skip
    assert any("leads out of the storage" in line for line in seen.messages())


def test_any_storage_that_fsspec_knows_will_do(seen: Seen) -> None:
    @task(result_storage="memory://kept", persist_result=True, result_serializer="pickle")
    def remembered() -> list[Odd]:
        return [Odd()]

    @task(result_storage="s3://nobody/there", persist_result=True)
    def far() -> int:
        return 1

    @flow
    def f() -> None:
        assert remembered() == remembered() == [Odd()]
        assert remembered(return_state=True).name == "Cached"
        failed = far(return_state=True)
        assert "can't be written to s3://nobody/there: " in failed.message

    f()


LARGE = """
from pathlib import Path
from upshot import flow, task
here = Path(__file__).parent

@task(result_serializer="compressed/json", result_storage="file://" + str(here / "kept"))
def large() -> str:
    with open(here / "bodies", "a") as file:
        file.write("x")
    return "x" * 5_000_000

@task
def fails() -> None:
    if not (here / "go").exists():
        raise ValueError("not yet")

@flow
def f() -> int:
    text = large()
    fails()
    return len(text)
"""


def test_a_chosen_storage_restores_what_a_retried_run_had_done(
    processes: Processes, tmp_path: Path
) -> None:
    run, _ = processes.execute(processes.module(LARGE) + ":f")
    assert run.state.name == "Failed"
    (tmp_path / "go").touch()
    assert processes.retry(run.id).result == 5_000_000
    assert (tmp_path / "bodies").read_text() == "x"


async def test_files_go_with_their_run_and_cached_ones_when_they_expire(
    seen: Seen, store: Store, tmp_path: Path
) -> None:
    @task
    def large() -> str:
        return "x" * 100_000

    @task(cache_policy=DEFAULT)
    def cached() -> str:
        return "y" * 100_000

    @flow
    def f() -> None:
        large()
        cached()

    litter = Litter(store, FAR)
    f()
    folder = tmp_path / "data" / "results"
    (folder / "something-else").write_text("stays")
    assert len(files_in(folder)) == 3
    await litter.sweep()
    assert len(files_in(folder)) == 3
    assert await store.call("forget_runs", FAR, 10) == 1
    await litter.sweep()
    assert [path.parent.name for path in files_in(folder)] == ["cache", "results"]
    key = store.keys("cache", "until")
    (name,) = await store.execute("ZRANGE", key, 0, -1)
    await store.execute("ZADD", key, 1, name)
    await litter.sweep()
    assert [path.name for path in files_in(folder)] == ["something-else"]
    assert await store.execute("SCARD", store.keys("litter")) == 0
