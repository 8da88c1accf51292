"""Where the database is: settings in, SQLAlchemy's address out."""

from __future__ import annotations

from pathlib import Path

import pytest

from upshot.events.settings import Settings, WrongSetting, load_settings
from upshot.services.history.address import database_url, shown, sqlite_file


def address(given: str | None) -> str:
    return database_url(Settings(data_dir=Path("/data"), database_url=given))


def test_without_a_setting_it_is_a_file_in_the_data_folder() -> None:
    assert sqlite_file(address(None)) == Path("/data/history.db")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("sqlite:////var/lib/h.db", "sqlite+aiosqlite:////var/lib/h.db"),
        ("postgresql://u:p%40@h:5433/n", "postgresql+asyncpg://u:p%40@h:5433/n"),
        ("postgres://h/n?sslmode=require", "postgresql+asyncpg://h/n?ssl=require"),
    ],
)
def test_an_address_is_written_as_the_drivers_take_it(given: str, expected: str) -> None:
    assert address(given) == expected


def test_an_address_of_another_kind_is_refused_by_name() -> None:
    with pytest.raises(WrongSetting, match=r"database_url.*postgresql://"):
        load_settings(database_url="mysql://h/n")


def test_a_password_is_not_shown() -> None:
    assert shown("postgresql+asyncpg://u:secret@h/n?ssl=x") == "postgresql+asyncpg://u@h/n"
    assert shown("sqlite+aiosqlite:////a/b.db") == "sqlite+aiosqlite:////a/b.db"
