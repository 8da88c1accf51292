"""Keyword arguments become arguments in order, and nothing else of an expression changes."""

from __future__ import annotations

import cel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from upshot.automations.exceptions import InvalidExpression
from upshot.automations.expressions.keywords import Signature, translated

SIGNATURES = {
    "runs": Signature(("selector", "state", "since")),
    "variable": Signature(("name", "default")),
}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("runs('a', state='R') == 0", "runs('a','R') == 0"),
        ("runs('a', since='1h')", "runs('a',null,'1h')"),
        ("runs(since='1h', selector='a')", "runs('a',null,'1h')"),
        ("runs('a' , state = 'R' ) == 0", "runs('a','R') == 0"),
        ("runs('a', state=['R', 'S'])", "runs('a',['R', 'S'])"),
        ("runs(variable(name='x'), state='R')", "runs(variable('x'),'R')"),
        (
            "variable('x', default=runs('a', since='1h') + 1)",
            "variable('x',runs('a',null,'1h') + 1)",
        ),
        ("runs('a', x == y, z != w)", "runs('a',x == y,z != w)"),
        ("runs('a, state=1')", "runs('a, state=1')"),
        (r"runs(r'\', state='R')", r"runs(r'\','R')"),
        ("runs('''a')''', state=\"R\")", "runs('''a')''',\"R\")"),
        ("runs('a', // state='no'\n state='R')", "runs('a','R')"),
        ("'runs(state=1)' == event.state", "'runs(state=1)' == event.state"),
        ("runs == 1 && event.runs == 2", "runs == 1 && event.runs == 2"),
    ],
)
def test_arguments_take_the_places_of_their_names(source: str, text: str) -> None:
    assert translated(source, SIGNATURES).text == text


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("runs()", "at 1:1: runs: 'selector' is missing"),
        ("runs(state='R')", "'selector' is missing"),
        ("runs('a', stat='R')", "at 1:11: runs: unknown argument 'stat' .did you mean 'state'"),
        ("runs('a', selector='b')", "'selector' is given twice"),
        ("runs('a', state='R', state='S')", "at 1:22: runs: 'state' is given twice"),
        ("runs('a', state='R', '1h')", "name this argument"),
        ("runs('a', 'b', 'c', 'd')", "takes selector, state, since"),
        ("runs('a', state=)", "'state=' needs a value"),
        ("runs('a',, 'b')", "an argument is missing"),
        ("runs('a',)", "an argument is missing"),
        ("runs('a', state='R'", "never closed"),
        ("runs(", "never closed"),
        ("runs('a'])", "never closed"),
        ("event.runs('a')", "at 1:7: 'runs' is called by itself"),
        ("1 == 1 &&\n  variable(nam='a')", "at 2:12: variable: unknown argument"),
        ("variable(" * 70 + "'a'" + ")" * 70, "nested deeper"),
    ],
)
def test_wrong_arguments_are_told_where_they_stand(source: str, complaint: str) -> None:
    with pytest.raises(InvalidExpression, match=complaint):
        translated(source, SIGNATURES)


def test_a_place_of_the_translation_is_told_as_one_of_the_users_text() -> None:
    source = "true &&\n runs('a', since='1h', state='R') = 0"
    made = translated(source, SIGNATURES)
    column = made.text.split("\n")[1].index("=") + 1
    assert made.place_of(2, column) == f"at 2:{source.split(chr(10))[1].rindex('=') + 1}"


TEXTS = st.one_of(
    st.text("ab'\"\\(),={}[] /n", max_size=8).map(lambda text: "r'''" + text.strip("'\\") + " '''"),
    st.text('ab"(),={}[]/', max_size=8).map(lambda text: f"'{text}'"),
    st.text("ab'(),={}[]/", max_size=8).map(lambda text: f'"{text}"'),
    st.sampled_from([r"'\''", r"'\\'", r"r'\'", "''", "'''it's, x=1)'''", r"'''\''''"]),
)
Pair = tuple[str, str]
"""An expression with keywords, and what it means in CEL's own words."""


def _call(
    function: str, names: tuple[str, ...], values: list[Pair], plain: int, back: bool
) -> Pair:
    """Name all but the first arguments; in CEL's words each has its place."""
    given = dict(zip(names, values, strict=False))
    order = [name for name in SIGNATURES[function].names if name in given]
    first, named = order[:plain], [name for name in names if name not in order[:plain]]
    written = [given[name][0] for name in first] + [f"{name} = {given[name][0]}" for name in named]
    if back:
        written = [*written[: len(first)], *reversed(written[len(first) :])]
    last = max(SIGNATURES[function].names.index(name) for name in given) + 1
    meant = [given.get(name, ("", "null"))[1] for name in SIGNATURES[function].names[:last]]
    return f"{function}({', '.join(written)})", f"{function}({', '.join(meant)})"


@st.composite
def _calls(draw: st.DrawFn, inner: st.SearchStrategy[Pair]) -> Pair:
    function = draw(st.sampled_from(sorted(SIGNATURES)))
    first, *others = SIGNATURES[function].names
    named = draw(st.lists(st.sampled_from(others), unique=True))
    values = [draw(inner) for _ in range(1 + len(named))]
    plain, back = draw(st.integers(0, 1)), draw(st.booleans())
    return _call(function, (first, *named), values, plain, back)


def _both(inner: st.SearchStrategy[Pair], form: str) -> st.SearchStrategy[Pair]:
    return inner.map(lambda pair: (form.replace("$", pair[0]), form.replace("$", pair[1])))


PAIRS = st.recursive(
    (TEXTS | st.integers(0, 9).map(str)).map(lambda text: (text, text)),
    lambda inner: st.one_of(
        _calls(inner),
        *(_both(inner, form) for form in ("[$, 1]", "($ == $)", "{'k': $}", "[$][0]")),
        _both(inner, "($ == 1 ? $ : 'no')"),
        _both(inner, "[$, // state=1) '\n 2]"),
    ),
    max_leaves=6,
)


def _evaluated(source: str) -> object:
    context = cel.Context({})
    for function in SIGNATURES:
        context.add_function(function, lambda *given, of=function: [of, *given])
    return cel.compile(source).execute(context)


@given(PAIRS)
def test_keywords_mean_what_the_places_of_arguments_do(pair: Pair) -> None:
    written, meant = pair
    text = translated(written, SIGNATURES).text
    assert _evaluated(text) == _evaluated(meant)
    assert translated(text, SIGNATURES).text == text
