"""The command tree, and what the end of a command means: 0 done, 1 failed, 2 misused."""

from __future__ import annotations

import sys
from typing import Annotated, Final

import typer
from typer.main import get_command

from . import (
    applying,
    artifact,
    asset,
    dead_letter,
    demo,
    deployment,
    flow,
    importing,
    limit,
    listings,
    schema,
    starting,
    status,
    testing,
    tracing,
    variable,
    work_pool,
    worker,
)
from . import run as runs
from .everywhere import accept_everywhere, not_text
from .printing import note, say
from .session import Context, Session

FAILED: Final = 1
MISUSED: Final = 2

app = typer.Typer(
    name="upshot",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for plain in (starting.app, applying.app, schema.app, demo.app, status.app):
    app.add_typer(plain)
for name, group in {
    "event": tracing.app,
    "automation": testing.app,
    "deployment": deployment.app,
    "run": runs.app,
    "flow": flow.app,
    "work-pool": work_pool.app,
    "worker": worker.app,
    "limit": limit.app,
    "artifact": artifact.app,
    "asset": asset.app,
    "dead-letter": dead_letter.app,
    "import": importing.app,
    "webhook": listings.WEBHOOKS,
    "receiver": listings.RECEIVERS,
    "variable": variable.app,
}.items():
    app.add_typer(group, name=name)


def _show_version(wanted: bool) -> None:
    if wanted:
        say(status.version_line())
        raise typer.Exit


@app.callback()
def upshot(
    context: Context,
    url: Annotated[
        str | None,
        typer.Option(
            help="Address of the service, of any command; else UPSHOT_URL, or port 4280 here.",
            metavar="URL",
        ),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Turns events into outcomes: flows and tasks run, every change is an event, automations act.

    Start a service with `upshot up`, and talk to it from another terminal. The token
    that a service wants is taken from UPSHOT_API_TOKEN.

    Example: upshot flow deploy words.py:words

    Example: upshot deployment run words/default --param path=README.md --wait

    Example: upshot run ls
    """
    context.obj.url, context.obj.debug = url, debug


def run(arguments: list[str] | None = None) -> int:
    """Run a command; return its exit code, with every error as one message for people."""
    given = sys.argv[1:] if arguments is None else arguments
    if (problem := not_text(given)) is not None:
        note(f"error: {problem}")
        return MISUSED
    session = Session()
    try:
        accept_everywhere(get_command(app))(given, prog_name="upshot", obj=session)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else FAILED
    except Exception as error:
        if session.debug:
            raise
        note(f"error: {_message(error)}")
        return MISUSED if _is_misuse(error) else FAILED
    finally:
        session.close()
    return 0


def _message(error: Exception) -> str:
    ours = any(kind.__module__.startswith("upshot.") for kind in type(error).__mro__)
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {str(error.strerror).lower()}"
    if ours or isinstance(error, OSError):
        return str(error)
    return f"unexpected {type(error).__name__}: {error}; run again with `upshot --debug …` for more"


def _is_misuse(error: Exception) -> bool:
    """Tell whether the arguments or the settings were wrong, rather than the world."""
    from upshot.events.exceptions import InvalidEvent
    from upshot.events.settings import WrongSetting

    return isinstance(error, InvalidEvent | WrongSetting)
