"""Templates keep types, say what is missing, and can neither break out nor blow up."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from upshot.automations.definition import Automation
from upshot.automations.exceptions import InvalidTemplate, TemplateFailed
from upshot.automations.templates.data import render_data
from upshot.automations.templates.template import STORED, Template

VALUES: dict[str, Any] = {
    "event": {
        "id": "e1",
        "received": "2026-11-19T23:30:00.123456Z",
        "resource": {"name": "a"},
        "payload": {"n": 3, "none": None, "items": [1, 2], "big": "x" * 200_000},
    },
    "firing": {"at": 1_795_131_000_000},
    "variables": {"env": "prod"},
}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("plain", "plain"),
        ("{{ event.payload.n }}", 3),
        ("  {{ event.payload.n }}\n", 3),
        ("{{- event.payload.n -}}", 3),
        ("{{ event.payload.none }}", None),
        ("{{ event.payload.items }}", [1, 2]),
        ("{{ event.payload }}", VALUES["event"]["payload"]),
        ("{{ event.payload.n > 2 }}", True),
        ("n={{ event.payload.n }}", "n=3"),
        ("{{ event.payload.n }}{{ event.payload.n }}", "33"),
        ("{{ event.payload.missing | default('-') }}", "-"),
        ("{{ event.id ~ '/' ~ event.payload.n }}", "e1/3"),
        ("{{ event.payload['items'] | map('string') | list }}", ["1", "2"]),
        ("{% for x in event.payload['items'] %}{{ loop.index }}:{{ x }} {% endfor %}", "1:1 2:2 "),
        ("{% if variables.env == 'prod' %}yes{% endif %}", "yes"),
        ("{{ '%05.1f' | format(event.payload.n) }}", "003.0"),
        ("{% set n = namespace(s=0) %}{% for x in [1, 2] %}{% set n.s = n.s + x %}{% endfor %}"
         "{{ n.s }}", "3"),
        ("{{ event.received | strftime }}", "2026-11-19"),
        ("{{ firing.at | strftime('%Y-%m-%d', 'Europe/Berlin') }}", "2026-11-20"),
        ("at {{ firing.at | strftime('%H:%M %Z', 'Asia/Kolkata') }}", "at 05:00 IST"),
    ],
)  # fmt: skip
def test_templates_render(source: str, expected: object) -> None:
    rendered = Template(source).render(VALUES)
    assert rendered == expected
    assert type(rendered) is type(expected)


@pytest.mark.parametrize(
    "source",
    [
        "{{ event.payload.missing }}",
        "x {{ event.payload.missing.deeper }}",
        "{{ firing.id }}",
        "{{ event.keys }}",
        "{{ 1 / 0 }}",
        "{{ event.payload.n.upper() }}",
        "{{ event.id | strftime }}",
        "{{ 10**20 | strftime }}",
        "{{ firing.at | strftime('%Y', 'Europe/Nowhere') }}",
    ],
)
def test_what_is_missing_fails_by_name(source: str) -> None:
    with pytest.raises(TemplateFailed):
        Template(source).render(VALUES)


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("{{ event.", "line 1"),
        ("a\n{% if %}", "line 2"),
        ("{{ evnt.id }}", "did you mean 'event'"),
        ("{{ upshot_budget }}", "unknown name"),
        ("{{ event | nofilter }}", "nofilter"),
        ("{% include 'x' %}", "not allowed"),
        ("{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}", "not allowed"),
        ("{% set x %}{{ event }}{% endset %}", "not allowed"),
        ("{% for x in [] recursive %}{% endfor %}", "recursive"),
        ("x" * 20_000, "more than 16,384"),
        ("{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", "deep|recursion|parenth"),
    ],
)
def test_bad_templates_are_refused_when_written(source: str, complaint: str) -> None:
    with pytest.raises(InvalidTemplate, match=complaint):
        Template(source)


@pytest.mark.parametrize(
    "source",
    [
        "{{ event.__class__ }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ event.update({'a': 1}) }}",
        "{{ event.payload['items'].append(3) }}",
        "{{ 'a' * 10**9 }}",
        "{{ [1] * 10**9 }}",
        "{{ 2**99999 }}",
        "{{ range(10**9) | list }}",
        "{{ 'a' | center(10**9) }}",
        "{{ 'a'.ljust(10**9) }}",
        "{{ '%999999999d' % 1 }}",
        "{{ firing.at | strftime('%0999999999d') }}",
        "{{ firing.at | strftime('%d' * 200) }}",
        "{{ '%*d' % (999999999, 1) }}",
        "{{ '{:>999999999}'.format(1) }}",
        "{{ '{:>{}}'.format(1, 999999999) }}",
        "{{ event.payload.big ~ event.payload.big }}",
        "{{ event.payload.big + event.payload.big }}",
        "{{ event.payload.big.replace('x', event.payload.big) }}",
        "{{ event.payload.big | replace('x', event.payload.big) }}",
        "{{ event.payload.big | list | join(event.payload.big) }}",
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% for a in range(9) %}{{ event.payload.big }}{% endfor %}",
        "".join(f"{{% set a{n} = [a{n - 1}, a{n - 1}] %}}" for n in range(1, 60)).join(
            ["{% set a0 = [1] %}", "{{ a59 }}"]
        ),
        "{{ event | map(attribute='__class__') | list }}",
    ],
)
def test_hostile_templates_fail_fast(source: str) -> None:
    template = Template(source)
    with pytest.raises(TemplateFailed):
        template.render(VALUES)
    assert VALUES["event"]["payload"]["items"] == [1, 2]


def test_nested_data_is_rendered_with_its_types() -> None:
    from pydantic import TypeAdapter

    from upshot.automations.templates.data import TemplateData

    adapter = TypeAdapter[Any](TemplateData)
    data = {"n": "{{ event.payload.n }}", "list": [1, None, "{{ event.id }}!"], "flag": True}
    compiled = adapter.validate_python(data)
    assert render_data(compiled, VALUES) == {"n": 3, "list": [1, None, "e1!"], "flag": True}
    assert adapter.dump_python(compiled, mode="json") == data


def test_what_was_checked_when_it_was_saved_is_compiled_when_it_is_needed() -> None:
    stored = Template("{{ event.payload.n }} of {{ event.payload.m }}", stored=True)
    assert not stored.is_plain
    assert stored.render({"event": {"payload": {"n": 1, "m": 2}}}) == "1 of 2"
    late = Template("{{ event.payload.n + }}", stored=True)
    with pytest.raises(InvalidTemplate):
        late.render({})


def test_a_stored_definition_is_read_without_compiling_its_actions() -> None:
    actions = [
        {"call-webhook": {"url": "{{ no + }}", "body": {"deep": ["{{ nor + }}"]}}},
        {"notify": {"to": "{{ neither + }}"}},
    ]
    definition = {"name": "a", "trigger": {"type": "event", "expect": "b"}, "actions": actions}
    with pytest.raises(ValidationError):
        Automation.model_validate(definition)
    stored = Automation.model_validate(definition, context=STORED)
    assert [next(iter(each.model_dump(mode="json"))) for each in stored.actions] == [
        "call-webhook",
        "notify",
    ]
