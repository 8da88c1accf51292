"""The database's form: made from nothing, in one step or not at all, and only once."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pydantic_core import to_json
from sqlalchemy import Connection

from tests.services.archived import rows
from upshot.services.exceptions import HistoryTooNew, HistoryUnavailable
from upshot.services.history import migrating
from upshot.services.history.address import SQLITE
from upshot.services.history.database import Database
from upshot.services.history.tables import REVISION, metadata


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database(f"{SQLITE}{tmp_path / 'new' / 'history.db'}", writes=True)
    yield opened
    await opened.close()


def differences(connection: Connection) -> list[Any]:
    return list(compare_metadata(MigrationContext.configure(connection), metadata))


async def test_an_empty_database_gets_the_tables_that_the_code_uses(database: Database) -> None:
    await migrating.migrate(database)
    async with database.transaction() as connection:
        assert await connection.run_sync(migrating.revision) == REVISION
        assert await connection.run_sync(differences) == []


async def test_a_database_that_is_as_it_should_be_is_left_alone(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrating.migrate(database)
    monkeypatch.setattr(migrating, "_in_a_child", None)
    await migrating.migrate(database)


async def test_a_migration_that_is_cut_short_leaves_nothing(
    database: Database, tmp_path: Path
) -> None:
    async def cut_short() -> None:
        async with database.transaction() as connection:
            await connection.run_sync(migrating.upgrade)
            raise RuntimeError("the power went")

    with pytest.raises(RuntimeError):
        await cut_short()
    assert rows(tmp_path / "new", "SELECT name FROM sqlite_master") == []
    await migrating.migrate(database)


async def test_runs_of_the_first_form_are_told_which_run_they_are_a_part_of(
    database: Database, tmp_path: Path
) -> None:
    parent = "01a1fa40-01a2-7012-96a1-abe52c34c2aa"
    told = {"part": to_json({"id": "part", "parent": parent}), "whole": b'{"parent":null}'}
    await _migrate_to(database, "0001")
    with closing(sqlite3.connect(tmp_path / "new" / "history.db")) as old:
        for run, body in told.items():
            row = (run, 1, 1, 1, "n", "f", None, "Failed", "Failed", body.decode())
            old.execute(f"INSERT INTO flow_runs VALUES ({','.join('?' * len(row))})", row)
        old.commit()
    await migrating.migrate(database)
    found = rows(tmp_path / "new", "SELECT id, parent FROM flow_runs ORDER BY id")
    assert [tuple(row) for row in found] == [("part", parent), ("whole", None)]


async def _migrate_to(database: Database, step: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        take = command.upgrade
        patch.setattr(command, "upgrade", lambda config, _: take(config, step))
        async with database.transaction() as connection:
            await connection.run_sync(migrating.upgrade)


async def test_a_database_of_a_newer_version_is_refused(database: Database, tmp_path: Path) -> None:
    await migrating.migrate(database)
    with closing(sqlite3.connect(tmp_path / "new" / "history.db")) as other:
        other.execute("UPDATE alembic_version SET version_num = '9999'")
        other.commit()
    with pytest.raises(HistoryTooNew, match="step 9999"):
        await migrating.migrate(database)


async def test_a_reader_creates_no_database(tmp_path: Path) -> None:
    reading = Database(f"{SQLITE}{tmp_path / 'history.db'}", writes=False)
    with pytest.raises(HistoryUnavailable, match="is the archiver running"):
        async with reading.transaction():
            pass
    assert not (tmp_path / "history.db").exists()
