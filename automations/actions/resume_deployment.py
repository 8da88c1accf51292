"""The resume-deployment action: lets a deployment's schedules make runs again."""

from __future__ import annotations

from typing import ClassVar

from .concerning import OfDeployment


class ResumeDeployment(OfDeployment):
    """Lets a paused deployment go on."""

    type: ClassVar[str] = "resume-deployment"
    paused: ClassVar[bool] = False
