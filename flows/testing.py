"""Lets tests run flows without a trace: in a store of their own, which is gone afterwards."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from upshot.events.embedded import EmbeddedStore

_WHERE: Final = ("UPSHOT_REDIS_URL", "UPSHOT_DATA_DIR")


@contextmanager
def own_store() -> Iterator[str]:
    """Let flows of this process run in a store that ends with the block, wherever else one runs.

    Yields:
        The address of the store.
    """
    before = {name: os.environ.get(name) for name in _WHERE}
    made = tempfile.TemporaryDirectory(prefix="upshot-test-")
    with made as folder, EmbeddedStore(Path(folder)) as store:
        os.environ.update(zip(_WHERE, (store.url, folder), strict=True))
        try:
            yield store.url
        finally:
            _restore(before)


def _restore(before: dict[str, str | None]) -> None:
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
