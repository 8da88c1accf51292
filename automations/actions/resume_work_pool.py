"""The resume-work-pool action: lets a pool's workers take runs again."""

from __future__ import annotations

from typing import ClassVar

from .concerning import OfWorkPool


class ResumeWorkPool(OfWorkPool):
    """Lets a paused work pool go on."""

    type: ClassVar[str] = "resume-work-pool"
    paused: ClassVar[bool] = False
