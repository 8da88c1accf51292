"""Counts the words of a text, a task for each line: the smallest flow with a fan-out."""

from __future__ import annotations

from pathlib import Path

from upshot import flow, get_run_logger, task


@task(retries=2, retry_delay_seconds=1)
def count(line: str) -> int:
    return len(line.split())


@flow(log_prints=True)
def words(path: str = __file__) -> int:
    counts = count.map(Path(path).read_text(encoding="utf-8").splitlines())
    total = sum(future.result() for future in counts)
    get_run_logger().info("%d words in %s", total, path)
    return total


if __name__ == "__main__":
    words()
