"""Gets the code of sources: pins what is deployed, lays each version out in a folder once.

A folder appears under its final name only when it is complete, so whoever finds it may use it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ..exceptions import SourceUnavailable
from .sources import FolderSource, GitSource

_TIMEOUT: Final = 300.0
_SILENCE = 30
"""Seconds after which a server that sends nothing is given up."""
_LONGEST_TOLD: Final = 500
_MOST_FILES: Final = 20_000
_MOST_BYTES: Final = 256 * 2**20
_NEW: Final = ".new-"
_LEFT_BEHIND: Final = 3600.0  # seconds: nothing takes that long to arrive
_LEFT_OUT: Final = frozenset({"__pycache__", "node_modules", "venv"})
_HELPER: Final = '!f() { echo "username=$UPSHOT_GIT_USER"; echo "password=$UPSHOT_GIT_TOKEN"; }; f'


def code_folder(data_dir: Path | str) -> Path:
    """Return where the versions of code lie below a data folder."""
    return Path(data_dir).expanduser() / "code"


def pinned(source: GitSource | FolderSource, cache: Path) -> GitSource | FolderSource:
    """Return a source that means one version for good: that commit, or that copy of a folder.

    Raises:
        SourceUnavailable: the repository, the branch or the folder is not to be had.
    """
    if isinstance(source, FolderSource):
        return source.model_copy(update={"digest": _copied(Path(source.folder), cache)})
    commit = source.commit or look_up(source)
    return source.model_copy(update={"commit": commit})


def look_up(source: GitSource) -> str:
    """Return the latest commit of a source's branch or tag.

    Raises:
        SourceUnavailable: the repository does not answer, or has no such branch or tag.
    """
    ref = source.ref
    answer = _git(source, "ls-remote", "--exit-code", source.git, ref, f"{ref}^{{}}")
    lines = (line.partition("\t") for line in answer.splitlines())
    found = {name: commit for commit, _, name in lines}
    for name in (f"refs/tags/{ref}^{{}}", f"refs/heads/{ref}", f"refs/tags/{ref}", ref):
        if name in found:
            return found[name]
    raise SourceUnavailable(f"{source.git} has no branch or tag {ref!r}")


def laid_out(source: GitSource | FolderSource, cache: Path) -> Path:
    """Return the folder that entrypoints of a source are relative to, with its code in it.

    Args:
        cache: where versions are kept.

    Raises:
        SourceUnavailable: it is not there, and can't be fetched.
    """
    if isinstance(source, FolderSource):
        return _copy_of(source, cache)
    commit = source.commit or look_up(source)
    folder = cache / f"{commit}-{hashlib.sha256(source.git.encode()).hexdigest()[:12]}"
    if not folder.is_dir():
        with _arriving(folder) as new:
            _fetch(source, commit, new)
    inside = folder / source.subdirectory
    if not inside.is_dir():
        raise SourceUnavailable(f"{source.git} has no folder {source.subdirectory!r} at {commit}")
    return inside


def _fetch(source: GitSource, commit: str, folder: Path) -> None:
    within = ("-C", str(folder))
    _git(source, *within, "init", "--quiet")
    try:
        _git(source, *within, "fetch", "--quiet", "--depth", "1", source.git, commit)
    except SourceUnavailable:  # not every server gives single commits away
        refs = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
        _git(source, *within, "fetch", "--quiet", source.git, *refs)
    _git(source, *within, "checkout", "--quiet", "--detach", commit)


def _git(source: GitSource, *arguments: str) -> str:
    """Run git and return what it prints; it asks nobody anything."""
    token = _token(source)
    command = ["git", *(("-c", f"credential.helper={_HELPER}") if token else ()), *arguments]
    try:
        done = subprocess.run(
            command,
            env=_environment(source, token),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT,
            check=False,
        )
    except FileNotFoundError:
        raise SourceUnavailable("git is not installed here; it fetches the code") from None
    except subprocess.TimeoutExpired:
        raise SourceUnavailable(f"{source.git} took longer than {_TIMEOUT:.0f} s") from None
    if done.returncode == 0:
        return done.stdout
    told = done.stderr.strip() or f"no branch or tag {source.ref!r}"
    told = told.replace(token, "***") if token else told
    raise SourceUnavailable(f"{source.git}: {told[:_LONGEST_TOLD]}")


def _token(source: GitSource) -> str | None:
    if source.token_env is None:
        return None
    token = os.environ.get(source.token_env)
    if not token:
        raise SourceUnavailable(f"{source.git}: token_env: {source.token_env} is not set here")
    return token


def _environment(source: GitSource, token: str | None) -> Mapping[str, str]:
    """Return git's environment: the token goes this way, as others can read command lines."""
    settings = {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
        "GIT_SSH_COMMAND": os.environ.get("GIT_SSH_COMMAND", _ssh()),
        "GIT_HTTP_LOW_SPEED_LIMIT": "1",
        "GIT_HTTP_LOW_SPEED_TIME": str(_SILENCE),
    }
    secret = {"UPSHOT_GIT_USER": source.username, "UPSHOT_GIT_TOKEN": token} if token else {}
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("GIT_DIR")}
    return {**inherited, **settings, **secret}


def _ssh() -> str:
    alive = f"-oServerAliveInterval={_SILENCE // 2} -oServerAliveCountMax=2"
    return f"ssh -oBatchMode=yes -oConnectTimeout={_SILENCE} {alive}"


def _copied(folder: Path, cache: Path) -> str:
    """Keep a copy of a folder; return the digest that it is found by."""
    if not folder.is_dir():
        raise SourceUnavailable(f"there is no folder {folder}")
    files = list(_files(folder))
    digest = _digest(folder, files)
    kept = cache / digest
    if not kept.is_dir():
        with _arriving(kept) as new:
            for file in files:
                target = new / file.relative_to(folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(file, target)
    return digest


def _files(folder: Path) -> Iterator[Path]:
    """Yield what is code: nothing hidden, compiled or installed."""
    count = size = 0
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(each for each in folders if each[0] != "." and each not in _LEFT_OUT)
        for name in sorted(names):
            file = Path(where, name)
            if name[0] == "." or name.endswith(".pyc") or not file.is_file():
                continue
            count, size = count + 1, size + file.stat().st_size
            if count > _MOST_FILES or size > _MOST_BYTES:
                raise SourceUnavailable(
                    f"{folder} holds more than {_MOST_FILES} files or {_MOST_BYTES >> 20} MB; "
                    "keep data somewhere else, or deploy from git"
                )
            yield file


def _digest(folder: Path, files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        body = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.relative_to(folder).as_posix()}\0{body}\n".encode())
    return digest.hexdigest()


def _copy_of(source: FolderSource, cache: Path) -> Path:
    if source.digest is None:
        folder = Path(source.folder)
        if folder.is_dir():
            return folder
        raise SourceUnavailable(f"there is no folder {folder}")
    kept = cache / source.digest
    if not kept.is_dir():
        raise SourceUnavailable(
            f"no copy {source.version} of {source.folder} is in {cache}: deploy it on this "
            "machine, share the data folder, or deploy from git"
        )
    return kept


@contextmanager
def _arriving(final: Path) -> Iterator[Path]:
    """Give a folder to fill, which gets its name at the end; the first one to come stays."""
    final.parent.mkdir(parents=True, exist_ok=True)
    _sweep(final.parent)
    new = Path(tempfile.mkdtemp(prefix=_NEW, dir=final.parent))
    try:
        yield new
        new.rename(final)
    except OSError:
        if not final.is_dir():
            raise
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _sweep(cache: Path) -> None:
    """Remove what processes have left that died while code arrived."""
    for left in cache.glob(f"{_NEW}*"):
        with suppress(FileNotFoundError):  # it has its name by now, or another one removed it
            if time.time() - left.stat().st_mtime > _LEFT_BEHIND:
                shutil.rmtree(left, ignore_errors=True)
