"""Code of deployments: pinned, fetched once for each version, and no token shown anywhere."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from upshot.flows.deployments import checkouts
from upshot.flows.deployments.checkouts import laid_out, look_up, pinned
from upshot.flows.deployments.sources import FolderSource, GitSource, Source
from upshot.flows.exceptions import SourceUnavailable

TOKEN = "the-token-that-nobody-sees"


class Repository:
    """A git repository with a folder ``flows`` in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch", "main")

    def git(self, *arguments: str) -> str:
        who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
        command = ["git", "-C", str(self.folder), *who, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, text: str) -> str:
        file = self.folder / "flows" / "made.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "made")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


def test_a_branch_is_pinned_to_its_commit_and_each_version_stays_what_it_was(
    repository: Repository, tmp_path: Path
) -> None:
    source, cache = GitSource(git=str(repository.folder), subdirectory="flows"), tmp_path / "code"
    versions = [(repository.commit(text), pinned(source, cache)) for text in ("one", "two")]
    for (commit, fixed), text in zip(versions, ("one", "two"), strict=True):
        assert isinstance(fixed, GitSource)
        assert (fixed.commit, fixed.version) == (commit, commit[:12])
        assert (laid_out(fixed, cache) / "made.py").read_text() == text
    assert len(list(cache.iterdir())) == 2


def test_what_was_fetched_needs_its_repository_no_more(
    repository: Repository, tmp_path: Path
) -> None:
    repository.commit("kept")
    fixed = pinned(GitSource(git=str(repository.folder)), tmp_path / "code")
    there = laid_out(fixed, tmp_path / "code")
    repository.folder.rename(tmp_path / "moved")
    assert laid_out(fixed, tmp_path / "code") == there
    with pytest.raises(SourceUnavailable, match="repository"):
        laid_out(fixed, tmp_path / "elsewhere")
    assert not list((tmp_path / "elsewhere").iterdir()), "nothing half is left"


def test_what_a_process_left_that_died_while_code_arrived_goes(
    repository: Repository, tmp_path: Path
) -> None:
    repository.commit("one")
    cache = tmp_path / "code"
    left, arriving = cache / ".new-left", cache / ".new-arriving"
    left.mkdir(parents=True)
    arriving.mkdir()
    (left / "half").touch()
    os.utime(left, (0, 0))
    laid_out(GitSource(git=str(repository.folder)), cache)
    assert not left.exists()
    assert arriving.exists()


@pytest.mark.parametrize("ref", ["release", "v1", "v2"])
def test_branches_and_tags_of_both_kinds_are_looked_up(repository: Repository, ref: str) -> None:
    first = repository.commit("one")
    repository.git("branch", "release")
    repository.git("tag", "v1")
    repository.git("tag", "--annotate", "v2", "--message", "two")
    repository.commit("two")
    assert look_up(GitSource(git=str(repository.folder), ref=ref)) == first


def test_a_branch_that_is_not_there_is_named(repository: Repository) -> None:
    repository.commit("one")
    with pytest.raises(SourceUnavailable, match="no branch or tag 'nope'"):
        look_up(GitSource(git=str(repository.folder), ref="nope"))


def test_a_folder_is_copied_by_its_content_and_no_other(tmp_path: Path) -> None:
    folder, cache = tmp_path / "mine", tmp_path / "code"
    (folder / "__pycache__").mkdir(parents=True)
    (folder / "__pycache__" / "made.pyc").write_bytes(b"compiled")
    (folder / ".env").write_text("SECRET=1")
    (folder / "made.py").write_text("one")
    first = pinned(FolderSource(folder=str(folder)), cache)
    (folder / "__pycache__" / "made.pyc").write_bytes(b"compiled anew")
    assert pinned(FolderSource(folder=str(folder)), cache) == first
    (folder / "made.py").write_text("two")
    second = pinned(FolderSource(folder=str(folder)), cache)
    assert [(laid_out(each, cache) / "made.py").read_text() for each in (first, second)] == [
        "one",
        "two",
    ]
    assert os.listdir(laid_out(first, cache)) == ["made.py"]  # noqa: PTH208 - names alone
    with pytest.raises(SourceUnavailable, match="deploy it on this machine"):
        laid_out(first, tmp_path / "another machine")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"git": "ext::sh -c evil"}, "git"),
        ({"git": "--upload-pack=evil"}, "git"),
        ({"git": "https://me:password@example.org/x.git"}, "must hold no password"),
        ({"git": "https://example.org/x", "ref": "--evil"}, "ref"),
        ({"git": "https://example.org/x", "subdirectory": "../etc"}, "subdirectory"),
        ({"git": "http://example.org/x", "token_env": "TOKEN"}, "token_env"),
        ({"git": "https://example.org/x", "branch": "a", "ref": "b"}, "branch and ref"),
        ({"folder": ""}, "folder"),
    ],
)
def test_a_source_that_could_do_harm_is_refused(given: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        TypeAdapter(Source).validate_python(given)


class Private(SimpleHTTPRequestHandler):
    """Serves a repository's files to who has the token, by git's plain protocol."""

    def do_GET(self) -> None:
        wanted = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
        if self.headers.get("Authorization") == f"Basic {wanted}":
            super().do_GET()
            return
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="private"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def private(repository: Repository) -> Iterator[str]:
    repository.commit("private")
    repository.git("update-server-info")
    served = str(repository.folder / ".git")

    def handler(*given: Any) -> Private:
        return Private(*given, directory=served)

    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_a_private_repository_opens_to_a_token_that_is_told_to_git_alone(
    private: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    source = GitSource(git=private, ref="main", token_env="MY_TOKEN")
    with pytest.raises(SourceUnavailable, match="MY_TOKEN is not set"):
        look_up(source)
    monkeypatch.setenv("MY_TOKEN", "wrong-one")
    with pytest.raises(SourceUnavailable) as refused:
        look_up(source)
    assert "wrong-one" not in str(refused.value)
    monkeypatch.setenv("MY_TOKEN", TOKEN)
    there = laid_out(pinned(source, tmp_path), tmp_path)
    assert (there / "flows" / "made.py").read_text() == "private"
    kept = [file.read_bytes() for file in there.rglob("*") if file.is_file()]
    assert not any(TOKEN.encode() in body for body in kept)


def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkouts, "_SILENCE", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        source = GitSource(git=f"http://127.0.0.1:{silent.getsockname()[1]}/x.git")
        with pytest.raises(SourceUnavailable, match="too slow"):
            look_up(source)
