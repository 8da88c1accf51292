"""Settings: which source wins, and that what is wrong is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from upshot.events.settings import Settings, WrongSetting, load_settings


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"UPSHOT_{name.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_defaults_hold_where_nothing_is_set() -> None:
    settings = load_settings()
    assert (settings.host, settings.port, settings.redis_url) == ("127.0.0.1", 4280, None)
    assert settings.dedup == 24 * 3600


def test_the_file_beats_defaults_the_environment_the_file_and_flags_all(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "upshot.toml").write_text('host = "file"\nport = 1\nlease = 2.5\n')
    monkeypatch.setenv("UPSHOT_PORT", "2")
    monkeypatch.setenv("UPSHOT_LEASE", "3.5")
    settings = load_settings(lease=4.5, host=None)
    assert (settings.host, settings.port, settings.lease) == ("file", 2, 4.5)
    assert settings.lease_ms == 4500


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "70000"),
        ("port", "http"),
        ("lease", "0"),
        ("lease", "-1"),
        ("lease", "inf"),
        ("lease", "nan"),
        ("dedup", "a day"),
        ("dedup", "5 fortnights"),
        ("max_body", "1"),
        ("worker_concurrency", "0"),
        ("log_level", "loud"),
        ("allow_private_webhooks", "perhaps"),
    ],
)
def test_a_wrong_value_stops_the_start_with_its_key(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"UPSHOT_{name.upper()}", value)
    with pytest.raises(WrongSetting, match=rf"{name} \(UPSHOT_{name.upper()}\): "):
        load_settings()


def test_times_may_have_units(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "upshot.toml").write_text('lease = "1s"\nlog_retention = "1h30m"\ndedup = 60\n')
    monkeypatch.setenv("UPSHOT_RUN_RETENTION", "7d")
    settings = load_settings()
    assert (settings.lease, settings.log_retention) == (1.0, 5400.0)
    assert (settings.dedup, settings.run_retention) == (60.0, 7 * 86400.0)


def test_an_unknown_key_in_the_file_is_named(folder: Path) -> None:
    (folder / "upshot.toml").write_text("prot = 1\n")
    with pytest.raises(WrongSetting, match="prot"):
        load_settings()


def test_a_file_that_is_not_toml_is_named(folder: Path) -> None:
    (folder / "upshot.toml").write_text("port = \n")
    with pytest.raises(WrongSetting, match=r"upshot\.toml: .*line 1"):
        load_settings()


def test_an_empty_variable_is_none_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty token would pass for one, and let anybody in."""
    monkeypatch.setenv("UPSHOT_API_TOKEN", "")
    monkeypatch.setenv("UPSHOT_REDIS_URL", "")
    settings = load_settings()
    assert settings.api_token is None
    assert settings.redis_url is None


def test_an_empty_token_is_refused_wherever_else_it_stands(folder: Path) -> None:
    (folder / "upshot.toml").write_text('api_token = ""\n')
    with pytest.raises(WrongSetting, match="api_token"):
        load_settings()


def test_a_wrong_token_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSHOT_API_TOKEN", "s3cret")
    assert "s3cret" not in repr(load_settings())


@pytest.mark.parametrize("token", ["line\nbreak", "a blank", "täglich", "nul\x7f"])
def test_a_token_that_no_header_can_carry_is_refused_and_not_shown(
    folder: Path, token: str
) -> None:
    (folder / "upshot.toml").write_text(f"api_token = {json.dumps(token)}\n")
    with pytest.raises(WrongSetting, match="api_token") as caught:
        load_settings()
    assert token not in str(caught.value)
