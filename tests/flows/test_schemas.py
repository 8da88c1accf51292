"""What is known of a flow's parameters: its schema never refuses what the flow itself takes."""

from __future__ import annotations

import dataclasses
import enum
import ipaddress
import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import pytest
from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    HttpUrl,
    ImportString,
    SecretStr,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from tests.flows.conftest import Processes, Seen
from upshot import flow
from upshot.events.store import SyncStore
from upshot.flows.exceptions import InvalidParameters, WrongParameters
from upshot.flows.schemas import keeping
from upshot.flows.schemas.checking import problems
from upshot.flows.schemas.keeping import keep_here, known_here, require_taken_here
from upshot.flows.schemas.known import HOUR_MS, MAX_BYTES, Known
from upshot.flows.schemas.making import schema_of
from upshot.flows.schemas.telling import told_of


class Colour(enum.Enum):
    RED = "red"


class Size(enum.IntEnum):
    ONE = 1
    TWO = 2


class Order(BaseModel):
    id: int
    note: str | None = None


class Aliased(BaseModel):
    id: int = Field(alias="ident")


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    n: float = 1
    order: Order | None = None


class Repaired(BaseModel):
    id: int

    @model_validator(mode="before")
    @classmethod
    def _repair(cls, _: Any) -> Any:
        return {"id": 1}


class Textual(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True)
    a: str


class Tree(BaseModel):
    v: int
    kids: list[Tree] = []


class Cat(BaseModel):
    kind: Literal["cat"]
    n: int


class Dog(BaseModel):
    kind: Literal["dog"]
    n: str


class Pair(NamedTuple):
    a: int
    b: str = "x"


@dataclasses.dataclass
class Data:
    a: int
    b: list[int] = dataclasses.field(default_factory=list)


class Opaque:
    """Nothing that pydantic knows."""


TYPES: list[Any] = [
    *(int, float, bool, str, bytes, date, datetime, time, timedelta, Decimal, uuid.UUID, Path),
    *(Colour, Size, Order, Aliased, Closed, Repaired, Textual, Tree, Pair, Data, Opaque, complex),
    *(list[int], set[int], frozenset[str], tuple[int, str], tuple[int, ...], dict[str, int]),
    *(dict[int, float], int | None, int | str, list[Order], Any, Literal[1, 2], Colour | None),
    *(Iterable[int], Sequence[int], Callable[..., int], HttpUrl, ByteSize, SecretStr),
    *(ipaddress.IPv4Address, AwareDatetime, list, dict, tuple, None),
    *(ImportString, ImportString[int], list[ImportString[float]]),
    Annotated[ImportString, Field(description="what to call")],
    Annotated[int, Field(gt=2, le=9)],
    Annotated[list[int], Field(min_length=1, max_length=2)],
    Annotated[set[int], Field(max_length=1)],
    Annotated[int, BeforeValidator(len)],
    Annotated[str, StringConstraints(strip_whitespace=True, max_length=3)],
    Annotated[Cat | Dog, Field(discriminator="kind")],
]
VALUES: list[Any] = [
    *(None, True, False, 0, 1, 3, 7, 2.0, 2.5, -1, 1767225600),
    *("", "a", "red", "1", "1.0", "2.5", "true", "yes", "abc ", " 3 ", "nan", "1e3", "1_000"),
    *("2026-01-01", "2026-01-01T00:00:00Z", "12:00", "P1D", "https://a.b", "1GB", "127.0.0.1"),
    *("math.pi", [1.5, "math.pi"], "1+2j", "6ba7b810-9dad-41d1-80b4-00c04fd430c8"),
    *([], [1], ["1"], [1, 1], [1, 2], [1, "a"], ["1", "a"], [1, 2, 3], [{"id": "1"}]),
    *({}, {"a": 1}, {"a": "1"}, {"1": "2"}, {"id": 1}, {"id": "1"}, {"ident": 1}, {"n": "1"}),
    *({"n": 1, "z": 1}, {"order": {"id": "3"}}, {"a": 1, "b": ["1"]}),
    *({"v": 1, "kids": [{"v": "2"}]}, {"kind": "cat", "n": "1"}, {"kind": "dog", "n": 1}),
]


def taking(kind: Any) -> Any:
    def taken(x: Any) -> None: ...

    taken.__annotations__ = {"x": kind}
    return flow(taken)


def takes(asked: Any, value: Any) -> bool:
    try:
        asked.signature.check((), {"x": value})
    except (InvalidParameters, TypeError):
        return False
    return True


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_what_the_flow_itself_takes_is_never_refused(kind: Any) -> None:
    asked = taking(kind)
    schema = schema_of(asked)
    wrongly = [value for value in VALUES if takes(asked, value) and problems(schema, {"x": value})]
    assert not wrongly


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (int, "abc"),
        (int, 2.5),
        (str, 3),
        (bool, 7),
        (list[int], {"a": 1}),
        (Order, {"id": "x"}),
        (Closed, {"z": 1}),
        (Colour, "blue"),
        (Annotated[int, Field(le=9)], 10),
        (int | None, "abc"),
        (date, {"day": 1}),
    ],
    ids=str,
)
def test_what_is_certainly_wrong_is_refused(kind: Any, value: Any) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(value)
    assert problems(schema_of(taking(kind)), {"x": value})


def test_what_is_imported_by_its_name_may_be_anything_and_keeps_its_description() -> None:
    kind = Annotated[ImportString[Any], Field(description="what to call")]
    schema = schema_of(taking(kind))
    assert schema["properties"] == {"x": {"description": "what to call"}}


@flow
def fulfil(order: Order, day: date = date(2026, 1, 1), *, retries: int = 3) -> None: ...


def test_each_problem_names_its_parameter() -> None:
    wrong = dict(problems(schema_of(fulfil), {"order": {}, "retries": "many", "dya": "x"}))
    assert wrong == {
        "parameters.order.id": "missing",
        "parameters.retries": "must be an integer",
        "parameters.dya": "unknown; it takes order, day, retries",
    }
    assert problems(schema_of(fulfil), {}) == [("parameters.order", "missing")]


HIDDEN = SecretStr("hidden")


def test_a_schema_tells_defaults_but_no_secrets() -> None:
    @flow
    def asked(day: date = date(2026, 1, 1), key: SecretStr = HIDDEN) -> None: ...

    properties = schema_of(asked)["properties"]
    assert properties["day"]["default"] == "2026-01-01"
    assert "default" not in properties["key"]


def test_a_flow_that_takes_any_name_refuses_none() -> None:
    @flow
    def asked(a: int, **others: int) -> None: ...

    assert problems(schema_of(asked), {"a": 1, "b": "x"}) == []


def test_types_that_are_not_validated_are_not_checked() -> None:
    @flow(validate_parameters=False)
    def asked(a: int) -> None: ...

    assert problems(schema_of(asked), {"a": "x"}) == []
    assert problems(schema_of(asked), {}) == [("parameters.a", "missing")]


def test_an_annotation_that_nobody_understands_may_be_anything() -> None:
    @flow
    def asked(a: Missing, b: int) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    assert problems(schema_of(asked), {"a": 1, "b": "x"}) == []


def test_of_a_schema_that_is_too_large_the_names_are_left() -> None:
    @flow
    def asked(a: int, b: str = "x" * MAX_BYTES) -> None: ...

    schema = schema_of(asked)
    assert schema["properties"] == {"a": {}, "b": {}}
    assert problems(schema, {}) == [("parameters.a", "missing")]


def test_a_schema_that_refers_to_elsewhere_is_not_kept() -> None:
    with pytest.raises(ValidationError, match="refer to nothing but"):
        Known(takes={"$ref": "https://example.org/schema.json"})


def test_what_was_told_holds_as_long_as_the_files_stay_as_they_were() -> None:
    known = Known(takes={}, files=[("/a.py", 5), ("/b.py", 6)], at=1000)
    assert known.holds(10 * HOUR_MS, {"/a.py": 5, "/b.py": 6}.__getitem__)
    assert not known.holds(1000, {"/a.py": 5, "/b.py": 7}.__getitem__)
    assert not known.holds(1000, {"/a.py": 5, "/b.py": 0}.__getitem__)


def test_what_was_told_of_files_elsewhere_holds_for_an_hour() -> None:
    known = Known(takes={}, files=[("/a.py", 5)], at=1000)
    assert known.holds(1000 + HOUR_MS - 1, lambda _: 0)
    assert not known.holds(1000 + HOUR_MS, lambda _: 0)


PINNED = {
    "name": "fulfil/default",
    "entrypoint": "shop.py:fulfil",
    "source": {"git": "https://git.example.org/shop.git", "commit": "a" * 40},
}


def test_what_is_known_is_of_one_version_of_the_code(sync_store: SyncStore) -> None:
    keep_here(sync_store, PINNED, told_of(fulfil, PINNED["source"]))  # type: ignore[arg-type]
    with pytest.raises(WrongParameters, match=r"parameters\.order: missing"):
        require_taken_here(sync_store, PINNED, {}, "new")
    require_taken_here(sync_store, {**PINNED, "parameters": {"order": {"id": 1}}}, {}, "new")
    require_taken_here(sync_store, {**PINNED, "enforce_parameter_schema": False}, {}, "new")
    other = {**PINNED["source"], "commit": "b" * 40}  # type: ignore[dict-item]
    require_taken_here(sync_store, {**PINNED, "source": other}, {}, "new")


def test_only_the_latest_versions_are_known(
    sync_store: SyncStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "MOST_VERSIONS", 2)
    versions = [{"name": "many/default", "entrypoint": f"{n}.py:many"} for n in range(4)]
    for at, each in enumerate(versions):
        keep_here(sync_store, each, Known(takes={}, at=at))
    known = [known_here(sync_store, each) is not None for each in versions]
    assert known == [False, False, True, True]


def test_a_process_for_one_run_tells_what_its_flow_takes(processes: Processes) -> None:
    path = processes.module("from upshot import flow\n\n@flow\ndef f(n: int = 1): ...\n")
    deployment = {"name": "f/alone", "entrypoint": f"{path}:f"}
    _, code = processes.execute(deployment["entrypoint"], deployment=deployment["name"])
    assert code == 0
    known = known_here(processes.seen.store, deployment)
    assert known is not None
    assert known.takes["properties"] == {"n": {"type": "integer", "default": 1}}
    assert known.files[0][0] == path


def test_deploying_tells_what_the_flow_takes(seen: Seen) -> None:
    fulfil.deploy("here")
    doc = {"name": "fulfil/here", "entrypoint": fulfil.entrypoint}
    known = known_here(seen.store, doc)
    assert known is not None
    assert known.takes == schema_of(fulfil)
    assert known.files[0][0] == __file__


def test_deploying_code_from_elsewhere_tells_nothing_of_the_code_here() -> None:
    source = {"git": "https://git.example.org/shop.git"}
    assert fulfil.to_deployment("here").known is not None
    assert fulfil.to_deployment("from-git", source=source).known is None
