"""``upshot automation backtest``: what a rule would have done with the recorded events."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from . import times
from .explain import app as app
from .printing import Column, cell, field, note, say, say_json, show
from .session import Context, Format, Output

_MOST_SHOWN: Final = 20


@app.command()
def backtest(
    context: Context,
    subject: Annotated[
        str, typer.Argument(metavar="FILE|NAME", help="A file of rules, or a stored one's name.")
    ],
    since: Annotated[str, typer.Option(help="From when: a time, or how long ago.")] = "7d",
    until: Annotated[str | None, typer.Option(help="Until when; else now.")] = None,
    against: Annotated[
        str | None, typer.Option(metavar="NAME", help="Compare with this stored one.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Which rule of the file, of several.")] = None,
    most: Annotated[
        int | None, typer.Option("--max-firings", min=0, help="Fail if it fires more often.")
    ] = None,
    least: Annotated[
        int | None, typer.Option("--min-firings", min=0, help="Fail if it fires less often.")
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Run an automation over the recorded events, by the code that runs live; nothing is sent.

    The exit code is 1 where it differs from --against, fires too often or not often enough, or
    an action can't be filled in.

    Example: upshot automation backtest rules.yaml --since 7d --against suspicious-logins
    """
    asked = {"automation": _subject(subject, name), "since": since, "until": until}
    asked |= {"against": against, "progress": True}
    found = _result(context.obj.client.lines("/automations/backtest", asked))
    if output is Format.JSON:
        say_json(found)
    else:
        _show(found)
    if complaints := list(_complaints(found, most, least)):
        for complaint in complaints:
            note(complaint)
        raise typer.Exit(1)


def _subject(given: str, name: str | None) -> Any:
    """Return the definition in a file, or the name that is given."""
    path = Path(given)
    if path.suffix not in (".yaml", ".yml") and not path.exists():
        return given
    from upshot.automations.files.loading import load

    found = {each.name: each for each in load([path], os.environ).automations}
    if name is not None and name not in found:
        told = f"{path} has no {name!r}; it has {', '.join(found)}"
        raise typer.BadParameter(told, param_hint="--name")
    if name is None and len(found) != 1:
        told = f"{path} has {len(found)} automations: say which one"
        raise typer.BadParameter(told, param_hint="--name")
    chosen = found[name] if name is not None else next(iter(found.values()))
    return chosen.model_dump(mode="json", by_alias=True)


def _result(lines: Iterator[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the last line's result; the others move the progress bar."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from upshot.services.exceptions import RequestFailed

    columns = (TextColumn("backtest"), BarColumn(), TextColumn("{task.fields[events]:,} events"))
    screen = Console(stderr=True)
    hidden = not sys.stderr.isatty()
    with Progress(*columns, TimeRemainingColumn(), console=screen, disable=hidden) as bar:
        task = bar.add_task("backtest", total=None, events=0)
        for line in lines:
            if told := line.get("progress"):
                done, total = told["at"] - told["since"], told["until"] - told["since"]
                bar.update(task, completed=done, total=max(total, 1), events=told["events"])
            elif "error" in line:
                raise RequestFailed(str(line["error"]))
            else:
                result: Mapping[str, Any] = line["result"]
                return result
    raise RequestFailed("the service ended the backtest before its result")


def _show(found: Mapping[str, Any]) -> None:
    columns = [
        Column("Fired", lambda item: times.local(item["at"])),
        field("Reason"),
        Column("Bucket", lambda item: ", ".join(item["labels"].values()), wide=True),
        Column("Actions", _actions, wide=True),
    ]
    show(found["firings"], columns, Format.TABLE, "it would not have fired")
    counts = dict(found["counts"])
    fired = counts.pop("firings")
    note(f"{found['events']:,} events, {fired:,} firing{'' if fired == 1 else 's'}")
    for reason, count in counts.items():
        note(f"{count:,} suppressed: {reason}")
    if "lookups" in found:
        note(f"what conditions look up is {found['lookups']}")
    if against := found.get("against"):
        note(
            f"against {against['automation']}: {against['same']:,} the same, "
            f"{len(against['only_this']):,} only here, {len(against['only_against']):,} only there"
        )
        for line in difference(against):
            say(line)


def difference(against: Mapping[str, Any]) -> Iterator[str]:
    """Yield the firings that only one of two has, in order; the first ones of many."""
    here = [(each["at"], "+", each["bucket"]) for each in against["only_this"]]
    there = [(each["at"], "-", each["bucket"]) for each in against["only_against"]]
    differing = sorted(here + there)
    for at, sign, bucket in differing[:_MOST_SHOWN]:
        yield f"{sign} {times.local(at)}  {cell(bucket)}"
    if len(differing) > _MOST_SHOWN:
        yield f"… and {len(differing) - _MOST_SHOWN:,} more"


def _actions(firing: Mapping[str, Any]) -> str:
    shown = []
    for action in firing["actions"]:
        detail = action.get("arguments") or action.get("detail")
        outcome = "" if action["outcome"] == "rendered" else f" {action['outcome']}"
        shown.append(f"{action['type']}{outcome} {cell(detail)}")
    return "; ".join(shown)


def _complaints(found: Mapping[str, Any], most: int | None, least: int | None) -> Iterator[str]:
    """Yield why the backtest fails."""
    fired = found["counts"]["firings"]
    if most is not None and fired > most:
        yield f"it fires {fired:,} times, more than {most:,}"
    if least is not None and fired < least:
        yield f"it fires {fired:,} times, less than {least:,}"
    if found["failed"]:
        yield f"{found['failed']:,} actions could not be filled in"
    against = found.get("against")
    if against and (against["only_this"] or against["only_against"]):
        yield f"it fires differently from {against['automation']}"
