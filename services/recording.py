"""What the record of a firing keeps of an action: its arguments as they were filled in, bounded."""

from __future__ import annotations

from typing import Any, Final

from pydantic_core import to_json

MOST: Final = 8 * 1024
"""Bytes of JSON that are kept of one action."""
_STEPS: Final = ((1000, 50), (200, 20), (40, 5))


def shortened(value: Any, most: int = MOST) -> Any:
    """Return data whose JSON has at most so many bytes; what is left out, is said in its place."""
    whole = to_json(value)
    if len(whole) <= most:
        return value
    for characters, items in _STEPS:
        cut = _cut(value, characters, items)
        if len(to_json(cut)) <= most:
            return cut
    return {"…": f"{len(whole):,} bytes", "beginning": whole[: most // 4].decode(errors="replace")}


def _cut(value: Any, characters: int, items: int) -> Any:
    """Return data with its texts, lists and mappings cut after so many characters and items."""
    if isinstance(value, str):
        told = f" … ({len(value):,} characters)"
        return value if len(value) <= characters + len(told) else value[:characters] + told
    if isinstance(value, list):
        kept = [_cut(each, characters, items) for each in value[:items]]
        return kept if len(value) <= items else [*kept, f"… ({len(value):,} items)"]
    if isinstance(value, dict):
        first = list(value.items())[:items]
        named = {name[:characters]: _cut(each, characters, items) for name, each in first}
        return named if len(value) <= items else {**named, "…": f"{len(value):,} fields"}
    return value
