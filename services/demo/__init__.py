"""`upshot demo`: the main job from end to end, with real processes, in under a minute.

1. `stage`: a folder of its own, a mail server, an HTTP receiver and a whole service (`upshot up`).
2. `story`: applies the examples, posts recorded deliveries of GitHub, kills a run with -9, and
   checks after each step that what should have happened did.
3. `timeline` and `telling`: what happened and why, the report, the figures, the address.
"""

from __future__ import annotations

from .demo import run

__all__ = ["run"]
