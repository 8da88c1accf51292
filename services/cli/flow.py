"""``upshot flow``: make deployments of flows, and serve one from here."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from .applying import pin, show_plan
from .foresight import warnings_of
from .giving import parameter
from .printing import Column, field, say_json, show
from .session import Context, Format, Output

if TYPE_CHECKING:
    from upshot.flows import Flow

app = typer.Typer(
    help="Flows: list them, deploy one, serve one.\n\nExample: upshot flow deploy words.py:words",
    no_args_is_help=True,
)

_Entrypoint = Annotated[str, typer.Argument(help="PATH.py:function", metavar="ENTRYPOINT")]
_Name = Annotated[
    str, typer.Option("--name", "-n", help="The deployment's name, after the flow's.")
]
_Pool = Annotated[str, typer.Option(help="Work pool whose workers run it.")]
_Queue = Annotated[str | None, typer.Option(help="Where its runs wait in the pool.")]
_Params = Annotated[
    list[str] | None,
    typer.Option(
        "--param", "-p", metavar="NAME=VALUE", help="A default; JSON, or else text; repeatable."
    ),
]
_Description = Annotated[str, typer.Option(help="For people.")]
_Tags = Annotated[list[str] | None, typer.Option("--tag", help="Repeatable.")]
_Git = Annotated[str | None, typer.Option(help="Repository that the code comes from.")]
_Ref = Annotated[str | None, typer.Option("--ref", "--branch", help="Its branch or tag.")]
_TokenEnv = Annotated[
    str | None, typer.Option(help="Variable that holds a token for it, here and on workers.")
]
_Folder = Annotated[
    Path | None, typer.Option(help="Folder that the code comes from; a copy is kept.")
]
_Job = Annotated[
    list[str] | None,
    typer.Option(
        "--job", "-j", metavar="NAME=VALUE", help="A variable of its processes; repeatable."
    ),
]
_Version = Annotated[str | None, typer.Option(help="What to call this version.")]
_Enforce = Annotated[
    bool, typer.Option(help="Refuse runs at once whose parameters the flow does not take.")
]


@app.command()
def ls(context: Context, output: Output = Format.TABLE) -> None:
    """List the flows that ran or are deployed.

    Example: upshot flow ls
    """
    columns = [
        field("Name"),
        Column("Deployments", lambda item: ", ".join(item.get("deployments") or []), wide=True),
    ]
    show(context.obj.client.items("/flows"), columns, output, "there is no flow")


@app.command()
def deploy(
    context: Context,
    entrypoint: _Entrypoint,
    name: _Name = "default",
    pool: _Pool = "default",
    queue: _Queue = None,
    param: _Params = None,
    description: _Description = "",
    tags: _Tags = None,
    git: _Git = None,
    ref: _Ref = None,
    token_env: _TokenEnv = None,
    folder: _Folder = None,
    job: _Job = None,
    version: _Version = None,
    enforce_parameter_schema: _Enforce = True,
    output: Output = Format.TABLE,
) -> None:
    """Make a deployment of a flow, so that workers can run it.

    They load it from the same path, or get it from the repository or folder that is given; the
    entrypoint is relative to that then.

    Example: upshot flow deploy words.py:words --name readme --param path=README.md
    """
    given = {"git": git, "ref": ref, "token_env": token_env, "folder": folder}
    source = {key: str(value) for key, value in given.items() if value is not None}
    deployment = {
        "work_pool": pool,
        "queue": queue,
        "parameters": dict(parameter(text) for text in param or []),
        "description": description,
        "tags": tags or [],
        "job": dict(parameter(text) for text in job or []),
        "version": version,
        "enforce_parameter_schema": enforce_parameter_schema,
    }
    code, flow, takes = _code(entrypoint, source, context.obj.settings.data_dir)
    named = f"{flow}/{name}"
    deployment |= {**code, "name": named}
    plan = context.obj.client.post("/apply", {"deployments": [deployment]})
    context.obj.client.put(f"/deployments/{quote(named)}/parameter-schema", takes)
    plan["warnings"] += warnings_of(context.obj.client, [deployment])
    if output is Format.JSON:
        say_json(plan)
    else:
        show_plan(plan, dry_run=False)


def _code(
    entrypoint: str, source: dict[str, str], data_dir: Path
) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """Return where the code is; and of its module the flow's name, and what that takes."""
    if not source:
        return {"entrypoint": _absolute(entrypoint)}, *_of(_load(entrypoint), None)
    from upshot.flows.deployments.checkouts import code_folder, laid_out
    from upshot.flows.flowruns.started import source_of

    if "folder" in source:
        source["folder"] = str(Path(source["folder"]).expanduser().resolve())
    found: dict[str, Any] = {"source": source, "entrypoint": entrypoint}
    pin(found, data_dir)
    fixed = source_of(found)
    assert fixed is not None
    with contextlib.chdir(laid_out(fixed, code_folder(data_dir))):
        return found, *_of(_load(entrypoint), found["source"])


def _of(flow: Flow[..., Any], source: dict[str, str] | None) -> tuple[str, dict[str, Any]]:
    from upshot.flows.schemas.telling import told_of

    return flow.name, told_of(flow, source).model_dump(mode="json")


@app.command()
def serve(entrypoint: _Entrypoint, name: _Name = "default", param: _Params = None) -> None:
    """Deploy a flow and run a worker for it here, until Ctrl-C.

    It joins the store at UPSHOT_REDIS_URL, or the one that `upshot up` runs in UPSHOT_DATA_DIR.

    Example: upshot flow serve words.py:words --name mine
    """
    parameters = dict(parameter(text) for text in param or [])
    raise typer.Exit(_load(entrypoint).serve(name, parameters=parameters))


def _load(entrypoint: str) -> Flow[..., Any]:
    """Return the flow, having run its module."""
    from upshot.flows.definitions.entrypoints import load_flow, why_not_loaded
    from upshot.flows.exceptions import EntrypointNotFound, FlowsError

    try:
        return load_flow(entrypoint)
    except FlowsError:
        raise
    except (Exception, SystemExit) as error:  # whatever the user's module raises
        why = why_not_loaded(error)
        raise EntrypointNotFound(f"entrypoint {entrypoint!r}: it can't be loaded: {why}") from error


def _absolute(entrypoint: str) -> str:
    path, _, function = entrypoint.rpartition(":")
    return f"{Path(path).resolve()}:{function}" if path.endswith(".py") else entrypoint
