"""Templates that try to take all the time or memory there is: each ends soon, with its reason."""

from __future__ import annotations

import pytest

from upshot.automations.actions import CallWebhook
from upshot.automations.exceptions import TemplateFailed
from upshot.automations.templates.template import Template

EVENT = {"payload": {"text": "x" * 200_000, "words": "a " * 100_000, "list": list(range(5_000))}}
DOUBLING = "{% set n = namespace(a=[], b=[]) %}{% for i in range(60) %}"
BOMBS = {
    "methods in a loop": "{% for i in range(20000) %}{% set x = event.payload.text.title() %}"
    "{% endfor %}",
    "filters in a loop": "{% for i in range(20000) %}{% set x = event.payload.text|title %}"
    "{% endfor %}",
    "searches in a loop": "{% for i in range(20000) %}{% set x = 'yx' in event.payload.text %}"
    "{% endfor %}",
    "sorting in a loop": "{% for i in range(20000) %}{% set x = event.payload.list|sort %}"
    "{% endfor %}",
    "lists doubled, then compared": DOUBLING
    + "{% set n.a = [n.a, n.a] %}{% set n.b = [n.b, n.b] %}{% endfor %}{{ n.a == n.b }}",
    "tuples doubled, then hashed": DOUBLING
    + "{% set n.a = (n.a, n.a) %}{% endfor %}{{ {n.a: 1} }}",
    "mappings doubled": DOUBLING + "{% set n.a = {'a': n.a, 'b': n.a} %}{% endfor %}{{ n.a }}",
    "long texts from a map": "{{ range(100000)|map('string')|map('center', 9999)|list|length }}",
    "a letter translated": "{{ event.payload.text.translate({120: 'y' * 200000})|length }}",
    "one letter a line": "{{ event.payload.text|wordwrap(1) }}",
    "one text many times": "{{ [event.payload.text] * 1000 }}",
}


@pytest.mark.parametrize("source", BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb_is_refused(source: str) -> None:
    with pytest.raises(TemplateFailed):
        Template(source).render({"event": EVENT})


def test_what_many_templates_make_together_is_bounded() -> None:
    body = [f"{{{{ [event.payload.text] * 30 }}}}{' ' * n}" for n in range(10)]
    action = CallWebhook.model_validate({"url": "http://localhost/", "body": body})
    with pytest.raises(TemplateFailed, match="in all"):
        action.render({"event": EVENT})


def test_many_templates_share_one_deadline() -> None:
    slow = BOMBS["searches in a loop"].replace("20000", "1000")
    body = [slow + " " * n for n in range(50)]
    action = CallWebhook.model_validate({"url": "http://localhost/", "body": body})
    with pytest.raises(TemplateFailed, match="takes more than"):
        action.render({"event": EVENT})


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("{% for x in [1, 2] %}{{ x }}/{{ loop.length }} {% endfor %}", "1/2 2/2 "),
        ("{{ [1, event.payload.list[3]] }}", [1, 3]),
        ("{{ (event.payload.list[1], {'a': event.payload.list[2]}) }}", [1, {"a": 2}]),
        ("{{ event.payload.list[:3]|map('string')|join('-') }}", "0-1-2"),
        ("{% set a, b = 1, 2 %}{{ a + b }}", "3"),
        ("{{ event.payload.words|wordwrap|length }}", 199_999),
    ],
)
def test_what_people_write_still_renders(source: str, value: object) -> None:
    assert Template(source).render({"event": EVENT}) == value
