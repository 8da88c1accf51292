"""``upshot run undo``: what a run left open is undone, by a worker or, for a run by hand, here."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from upshot.events.embedded import find_running
from upshot.events.exceptions import StoreUnavailable
from upshot.events.settings import Settings
from upshot.events.store import SyncStore

from .session import Context, Format, Output, Session
from .watching import tell, watch


def undo(
    context: Context,
    run: Annotated[str, typer.Argument(help="The run's id or name.", metavar="RUN")],
    code: Annotated[
        str | None,
        typer.Option(help="Of a run by hand, where its flow is; it is undone by this command."),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", "-w", help="Show its log until all is undone.")
    ] = False,
    output: Output = Format.TABLE,
) -> None:
    """Undo what a crashed or cancelled run did in a transaction that it left open.

    Example: upshot run undo brisk-otter --code shop.py:pay
    """
    client, path = context.obj.client, f"/runs/{quote(run, safe='')}"
    if code is not None:
        found = client.get(path)
        _undo_here(context.obj, found, code)
        found = client.get(f"/runs/{found['id']}")
    else:
        found = client.post(f"{path}/undo")
        found = watch(client, found["id"], quiet=output is Format.JSON) if wait else found
    tell(found, output)


def _undo_here(session: Session, run: dict[str, Any], code: str) -> None:
    from upshot.flows.flowruns.rollback import undo_here

    settings = session.settings
    store = SyncStore(_store_url(settings))
    results = str(settings.data_dir.expanduser() / "results")
    try:
        undo_here(store, run["id"], code, lease_ms=settings.lease_ms, results=results)
    finally:
        store.close()


def _store_url(settings: Settings) -> str:
    """Return the address of the store that the run is in.

    Raises:
        StoreUnavailable: it is not known here.
    """
    url = settings.redis_url or find_running(settings.data_dir, lasting=False)
    if url is None:
        raise StoreUnavailable(
            "its store is not here: say where it is (UPSHOT_DATA_DIR or UPSHOT_REDIS_URL)"
        )
    return url
