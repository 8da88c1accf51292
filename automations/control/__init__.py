"""What stands between a trigger that fires and the firing: one stage, one file.

loop guard → debounce → batch → conditions → throttle → mode → budget → incident → the firing
"""

from __future__ import annotations

from .batch import Batch
from .budget import Budget
from .debounce import Debounce
from .incident import Resolve
from .mode import Mode
from .settings import Control
from .throttle import Throttle

__all__ = ["Batch", "Budget", "Control", "Debounce", "Mode", "Resolve", "Throttle"]
