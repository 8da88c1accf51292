"""Files of definitions: everything that is wrong is reported at once, each at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from upshot.automations.exceptions import InvalidDefinition
from upshot.automations.files.loading import load, loads
from upshot.events.finite import NOT_FINITE

GOOD = """\
automations:
  - name: nightly
    trigger: {expect: flow-run.failed, match: {on: "yes"}}
    actions:
      - retry-flow-run:
webhooks:
  - {name: github, preset: github, secret: "${SECRET}"}
receivers:
  - {name: oncall, url: "json://127.0.0.1:9000/"}
deployments:
  - {name: etl/nightly, entrypoint: "flows/etl.py:etl", parameters: {day: 2026-11-20, at: 10:30}}
variables:
  - {name: env, value: "$${HOME}"}
"""


def problems(text: str) -> list[str]:
    with pytest.raises(InvalidDefinition) as caught:
        loads(text, name="f.yaml")
    return caught.value.problems


def test_files_and_folders_are_read_together(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(GOOD)
    (tmp_path / "a.yml").write_text("variables: [{name: a, value: 1}]")
    (tmp_path / "notes.txt").write_text("{{{")
    definitions = load([tmp_path], {"SECRET": "s3cret"})
    assert [each.name for each in definitions.automations] == ["nightly"]
    assert [each.name for each in definitions.variables] == ["a", "env"]
    assert definitions.variables[1].value == "${HOME}"
    deployment = definitions.deployments[0]
    assert deployment.entrypoint == f"{tmp_path.resolve()}/flows/etl.py:etl"
    assert deployment.parameters == {"day": "2026-11-20", "at": "10:30"}
    secret = definitions.webhooks[0].secret
    assert secret is not None
    assert secret.get_secret_value() == "s3cret"
    assert "s3cret" not in repr(definitions)
    assert "9000" not in repr(definitions)
    assert len(definitions) == 6
    assert type(definitions).model_validate(definitions.model_dump(mode="json")) == definitions


NO_JSON = f"{NOT_FINITE}; quote it where text is meant"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("automatons: []", "f.yaml:1:1: automatons: unknown key (did you mean 'automations'?)"),
        ("- a", "f.yaml:1:1: file: a mapping is expected"),
        ("automations: {}", "f.yaml:1:14: automations: a list is expected"),
        ("a: [1\nb: 2", "f.yaml:2:2: expected ',' or ']', but got ':'"),
        ("a:\n  - b: 1\n   c: 2",
         "f.yaml:3:4: expected <block end>, but found '<block mapping start>'; "
         "the keys of one mapping, and the dashes of one list, begin in the same column"),
        ("variables: [{name: a, value: [.nan]}]", "f.yaml:1:31: " + NO_JSON),
        ("variables: [{name: a, value: {b: -.inf}}]", "f.yaml:1:34: " + NO_JSON),
        ("variables: [{name: a, value: 1e999}]", "f.yaml:1:30: " + NO_JSON),
        ("variables: [{name: a, value: !!int abc}]",
         "f.yaml:1:30: 'abc' is no int; quote it where text is meant"),
        (f"variables: [{{name: a, value: {'9' * 5000}}}]",
         f"f.yaml:1:30: '{'9' * 40}' is no int; quote it where text is meant"),
        ("variables: [{name: a, value: 1, value: 2}]", "f.yaml:1:33: the key 'value' comes twice"),
        ("variables: [{name: a, value: $X}, {name: b, value: '${X}'}]",
         "f.yaml:1:52: the environment has no variable 'X'"),
        ("variables: [{name: a, value: 1},\n {name: a, value: 2}]",
         "f.yaml:2:9: variables.1.name: 'a' is taken by f.yaml:1:20"),
        ("deployments: [{name: a, entrypoint: f.py:f}]",
         "f.yaml:1:22: deployments.0.name: write flow/deployment"),
        ("deployments: [{name: a/b, entrypoint: f.py:f, schedules: [{cron: '* * * * *'}]}]",
         "f.yaml:1:58: deployments.0.schedules: deployments have no schedules of their own; an "
         "automation with a schedule trigger and the action run-deployment runs them"),
        ("webhooks: [{name: a, preset: githb}]",
         "f.yaml:1:30: webhooks.0.preset: must be 'generic' or 'github' (did you mean 'github'?)"),
        ("receivers: [{name: a, url: nope}]",
         "f.yaml:1:28: receivers.0.url: an Apprise address is expected, such as json://host/ or "
         "mailto://…"),
        ("automations:\n  - {name: a, trigger: {expect: a, threshold: x}, actions: []}",
         "f.yaml:2:47: automations.0.trigger.threshold: a whole number is expected"),
    ],
)  # fmt: skip
def test_a_problem_is_reported_at_its_place(text: str, expected: str) -> None:
    assert expected in problems(text)


def test_all_problems_of_all_files_are_reported_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "automations:\n"
        "  - name: a\n"
        "    trigger:\n"
        "      expect: [flow-run.failed]\n"
        "      wihtin: 10m\n"
        "      where: event.payload.n <\n"
        "    actions:\n"
        "      - notfy: {to: x}\n"
        "      - notify: {to: x, titel: y, body: '{{ evnt }}'}\n"
        "      - retry-flow-run\n"
    )
    (tmp_path / "b.yaml").write_text("variables: [{name: 1a}]")
    with pytest.raises(InvalidDefinition) as caught:
        load([tmp_path, tmp_path / "nope.yaml"])
    told = [each.removeprefix(f"{tmp_path}/") for each in caught.value.problems]
    assert told == [
        f"{tmp_path / 'nope.yaml'}: no such file or folder".removeprefix(f"{tmp_path}/"),
        "a.yaml:5:7: automations.0.trigger.wihtin: unknown key (did you mean 'within'?)",
        "a.yaml:6:14: automations.0.trigger.where: at 1:18: Syntax error: mismatched input '<EOF>'",
        "a.yaml:8:9: automations.0.actions.0: unknown action 'notfy' (did you mean 'notify'?)",
        "a.yaml:9:25: automations.0.actions.1.notify.titel: unknown key (did you mean 'title'?)",
        "a.yaml:9:41: automations.0.actions.1.notify.body: unknown name 'evnt' "
        "(did you mean 'event'?)",
        "a.yaml:10:9: automations.0.actions.2: write one action as one key, such as 'notify:', "
        "with its options",
        "b.yaml:1:13: variables.0.value: is required",
        "b.yaml:1:20: variables.0.name: does not fit the pattern ^[A-Za-z_][A-Za-z0-9_]*$",
    ]


def test_a_leading_zero_makes_no_number_octal() -> None:
    numbers = "{a: 0123, b: 089, c: -010, d: 0o17, e: 0x1F}"
    (variable,) = loads(f"variables: [{{name: a, value: {numbers}}}]").variables
    assert variable.value == {"a": 123, "b": 89, "c": -10, "d": 15, "e": 31}


def test_an_alias_may_be_used_but_not_to_blow_up_or_contain_itself() -> None:
    assert len(loads("variables:\n - &a {name: a, value: 1}\n - {<<: *a, name: b}")) == 2
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert any("aliases make this more" in each for each in problems("\n".join(levels)))
    merges = ["a0: &a0 {x: 1}"]
    merges += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 9)]
    assert any("aliases make this more" in each for each in problems("\n".join(merges)))
    assert any("contains itself" in each for each in problems("a: &a [*a]"))
    assert any("nested deeper" in each for each in problems("[" * 100 + "]" * 100))


def test_a_file_that_is_too_large_or_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "large.yaml").write_text("# " + "x" * 1024 * 1024)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidDefinition) as caught:
        load([tmp_path])
    assert "binary.yaml:1:1: can't be read" in str(caught.value)
    assert "large.yaml:1:1: the file is larger" in str(caught.value)


def test_an_empty_file_and_only_a_comment_are_fine() -> None:
    assert len(loads("")) == 0
    assert len(loads("# nothing yet\n")) == 0


def test_python_tags_are_refused() -> None:
    assert problems("variables: !!python/object/apply:os.system ['true']")
