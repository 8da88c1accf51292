"""A histogram with logarithmic buckets: any percentile within 2 %, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

MAX_BUCKETS: Final = 512
_GROWTH: Final = 1.04  # a bucket's middle is at most 1.97 % away from all in it
_LOG: Final = math.log(_GROWTH)

Histogram = Mapping[int, int]
"""How many values there are by bucket: 0 for zero, negative numbers for negative values."""


def bucket_of(value: int) -> int:
    """Return the bucket of a whole number; buckets sort as their values do."""
    if value == 0:
        return 0
    bucket = math.ceil(math.log(abs(value)) / _LOG) + 1
    return bucket if value > 0 else -bucket


def middle_of(bucket: int) -> float:
    """Return the number that stands for all in a bucket."""
    if bucket == 0:
        return 0.0
    middle = 2 * _GROWTH ** (abs(bucket) - 1) / (_GROWTH + 1)
    return middle if bucket > 0 else -middle


def added(histogram: Histogram, value: int) -> dict[int, int]:
    """Return the histogram with one value more; where buckets run out, the lowest are joined."""
    bucket = bucket_of(value)
    more = {**histogram, bucket: histogram.get(bucket, 0) + 1}
    if len(more) > MAX_BUCKETS:
        lowest, second = sorted(more)[:2]
        more[second] += more.pop(lowest)
    return more


def percentile(histograms: list[Histogram], share: float) -> float:
    """Return the value that this share of all values doesn't exceed (nearest rank)."""
    together: dict[int, int] = {}
    for each in histograms:
        for bucket, count in each.items():
            together[bucket] = together.get(bucket, 0) + count
    rank = max(1, math.ceil(share * sum(together.values())))
    for bucket in sorted(together):
        rank -= together[bucket]
        if rank <= 0:
            return middle_of(bucket)
    return 0.0
