"""The resume-automation action: lets an automation be evaluated again."""

from __future__ import annotations

from typing import ClassVar

from .concerning import OfAutomation


class ResumeAutomation(OfAutomation):
    """Lets a paused automation go on."""

    type: ClassVar[str] = "resume-automation"
    paused: ClassVar[bool] = False
