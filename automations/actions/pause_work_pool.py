"""The pause-work-pool action: keeps a pool's workers from taking runs."""

from __future__ import annotations

from typing import ClassVar

from .concerning import OfWorkPool


class PauseWorkPool(OfWorkPool):
    """Pauses a work pool: its workers take no new runs until it is resumed; the runs wait."""

    type: ClassVar[str] = "pause-work-pool"
    paused: ClassVar[bool] = True
