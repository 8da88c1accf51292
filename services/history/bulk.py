"""Puts many rows into a table with few statements.

One statement takes many rows, so that the thread which waits for SQLite gives the interpreter
away once for all of them, not once for each row: others run in this process.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any, Final

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

Row = tuple[Any, ...]

_MOST: Final = 512
"""Rows of one statement: a power of two, and below what drivers take as parameters."""


async def insert(
    connection: AsyncConnection, table: Table, rows: Sequence[Row], *, replace: bool = False
) -> None:
    """Insert rows, given in the order of the table's columns.

    Args:
        replace: a row whose key is there already takes the place of the old one.
    """
    numbered = connection.dialect.paramstyle == "numeric_dollar"
    for first, count in pieces(len(rows)):
        values = tuple(chain.from_iterable(rows[first : first + count]))
        await connection.exec_driver_sql(statement(table, count, numbered, replace), values)


def pieces(rows: int) -> Iterator[tuple[int, int]]:
    """Yield where each statement's rows begin and how many they are: few numbers, often used."""
    first = 0
    while first < rows:
        left = rows - first
        count = _MOST if left >= _MOST else 1 << (left.bit_length() - 1)
        yield first, count
        first += count


@cache
def statement(table: Table, rows: int, numbered: bool, replace: bool) -> str:
    """Return the text that inserts so many rows."""
    names = [column.name for column in table.columns]
    width = len(names)
    one = "(" + ",".join("?" * width) + ")"
    values = ",".join([one] * rows)
    if numbered:
        groups = (range(row * width + 1, (row + 1) * width + 1) for row in range(rows))
        values = ",".join("(" + ",".join(f"${n}" for n in group) + ")" for group in groups)
    text = f"INSERT INTO {table.name} ({','.join(names)}) VALUES {values}"
    return text + _replacing(table) if replace else text


def _replacing(table: Table) -> str:
    keys = [column.name for column in table.primary_key.columns]
    rest = [column.name for column in table.columns if column.name not in keys]
    changes = ",".join(f"{name}=excluded.{name}" for name in rest)
    return f" ON CONFLICT ({','.join(keys)}) DO UPDATE SET {changes}"
