"""The pause-deployment action: keeps a deployment's schedules from making runs."""

from __future__ import annotations

from typing import ClassVar

from .concerning import OfDeployment


class PauseDeployment(OfDeployment):
    """Pauses a deployment: its schedules make no runs until it is resumed; others still may."""

    type: ClassVar[str] = "pause-deployment"
    paused: ClassVar[bool] = True
