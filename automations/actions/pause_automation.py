"""The pause-automation action: stops the evaluation of an automation."""

from __future__ import annotations

from typing import ClassVar

from .concerning import OfAutomation


class PauseAutomation(OfAutomation):
    """Pauses an automation: it is not evaluated until it is resumed."""

    type: ClassVar[str] = "pause-automation"
    paused: ClassVar[bool] = True
