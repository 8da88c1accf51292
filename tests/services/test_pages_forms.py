"""Forms made of JSON schemas: what is typed into them is what the schema means."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter

from upshot.flows.exceptions import InvalidInput
from upshot.services.api.pages import forms


class Speed(StrEnum):
    SLOW = "slow"
    FAST = "fast"


class Address(BaseModel):
    street: str = ""


class Order(BaseModel):
    """What is asked for: one field of each kind."""

    approve: bool
    name: str = Field(title="Who", description="who orders")
    count: int = 3
    price: float | None = None
    note: str | None = "as ever"
    speed: Speed = Speed.FAST
    size: Literal[1, 2] = 2
    day: date | None = None
    address: Address = Address()
    tags: list[str] = []


SCHEMA = Order.model_json_schema()
FIELDS = forms.fields_of(SCHEMA)


def _kinds() -> dict[str, str]:
    return {field.name: field.kind for field in FIELDS}


def _sent(**values: str) -> dict[str, str]:
    """Return what a browser sends of the untouched form, but for some values."""
    untouched = {each.key: each.value for each in FIELDS if each.kind != "checkbox"}
    return untouched | {forms.PREFIX + name: value for name, value in values.items()}


def test_each_kind_of_value_has_a_field_of_its_kind() -> None:
    assert _kinds() == {
        "approve": "checkbox",
        "name": "text",
        "count": "number",
        "price": "number",
        "note": "text",
        "speed": "select",
        "size": "select",
        "day": "date",
        "address": "json",
        "tags": "json",
    }
    name = FIELDS[1]
    assert (name.title, name.description, name.required) == ("Who", "who orders", True)


def test_an_untouched_form_means_the_defaults() -> None:
    values = forms.read(FIELDS, _sent(name="Ana"))
    assert Order.model_validate(values) == Order(approve=False, name="Ana")


def test_what_is_typed_keeps_its_type() -> None:
    sent = _sent(
        approve="true",
        name="7",
        count="4",
        price="2.5",
        speed="slow",
        size="1",
        day="2026-11-20",
        address='{"street": "Long"}',
        tags='["a"]',
    )
    values = forms.read(FIELDS, sent)
    assert values["name"] == "7"
    assert values["size"] == 1
    assert Order.model_validate(values, strict=False) == Order(
        approve=True,
        name="7",
        count=4,
        price=2.5,
        speed=Speed.SLOW,
        size=1,
        day=date(2026, 11, 20),
        address=Address(street="Long"),
        tags=["a"],
    )


def test_what_may_be_null_is_null_when_it_is_emptied() -> None:
    values = forms.read(FIELDS, _sent(name="Ana", note=""))
    assert values["note"] is None


def test_all_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(InvalidInput) as raised:
        forms.read(FIELDS, _sent(count="many", tags="[a"))
    assert raised.value.wrong == [("count", "must be a number"), ("tags", "must be JSON")]


def test_a_form_shows_again_what_was_sent_and_what_is_wrong() -> None:
    errors = [{"field": "count", "message": "must be a number"}]
    errors += [{"field": "input.address.street", "message": "is too long"}]
    again = forms.again(FIELDS, _sent(count="many", approve="true"), {"errors": errors})
    by_name = {each.name: each for each in again}
    assert by_name["address"].wrong == "is too long"
    assert (by_name["count"].value, by_name["count"].wrong) == ("many", "must be a number")
    assert by_name["approve"].value == "true"


@pytest.mark.parametrize(("kind", "typed", "value"), [(int, "7", 7), (str, "7", "7")])
def test_a_form_may_ask_for_a_single_value(kind: type, typed: str, value: object) -> None:
    fields = forms.fields_of(TypeAdapter(kind).json_schema())
    assert forms.read(fields, {fields[0].key: typed}) == {"": value}


def test_nothing_is_asked_for_where_there_is_no_schema() -> None:
    assert forms.fields_of(None) == []


_VALUES = st.dictionaries(
    st.text(min_size=1, max_size=5),
    st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20).filter(lambda text: text == "" or bool(text.strip()))
    | st.lists(st.integers(0, 9), max_size=3)
    | st.dictionaries(st.text(max_size=3), st.none() | st.booleans(), max_size=2),
    max_size=5,
)


@given(_VALUES)
def test_a_form_for_values_that_nobody_touches_gives_them_back(values: dict[str, Any]) -> None:
    fields = forms.fields_for(values)
    sent = {each.key: each.value for each in fields if each.value not in ("true", "false")}
    sent |= {each.key: each.value for each in fields if each.kind != "checkbox"}
    sent |= {
        each.key: "true" for each in fields if each.kind == "checkbox" and each.value == "true"
    }
    found = forms.read(fields, sent)
    assert found == values
    assert [type(each) for each in found.values()] == [type(each) for each in values.values()]


_SCHEMAS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "properties",
                    "anyOf",
                    "oneOf",
                    "allOf",
                    "$ref",
                    "enum",
                    "default",
                    "title",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "odd", [{"enum": 5}, {"allOf": 5}, {"anyOf": 5}, {"$ref": 5}, {"properties": 5}, {"type": 5}]
)
@pytest.mark.parametrize("where", [{"$ref": "#/default/x"}, {"properties": {"a": {}}}])
def test_what_is_referred_to_may_be_no_schema(odd: dict[str, Any], where: dict[str, Any]) -> None:
    if "properties" in where:
        where = {"type": "object", "properties": {"a": {"$ref": "#/default/x"}}}
    assert len(forms.fields_of({"default": {"x": odd}, **where})) == 1


def test_a_schema_that_is_true_asks_for_anything() -> None:
    (field,) = forms.fields_of({"type": "object", "properties": {"a": {"allOf": [True]}}})
    assert (field.name, field.kind) == ("a", "json")


@given(st.dictionaries(st.sampled_from(["type", "properties", "anyOf", "$ref"]), _SCHEMAS))
def test_no_schema_breaks_a_page(schema: dict[str, Any]) -> None:
    for field in forms.fields_of(schema):
        assert isinstance(field.value, str)
