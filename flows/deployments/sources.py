"""Sources: where the code of a deployment comes from, each version of it for good.

A deployment is pinned when it is deployed: a git source to a commit, a folder to a copy that is
named by the digest of what is in it.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Final, TypeAlias
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

_SCHEMES: Final = frozenset({"https", "http", "ssh", "git", "file"})
_SCP: Final = re.compile(r"[\w.-]+@[\w.-]+:[^:\s]\S*")
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_SHORT: Final = 12


def _address(value: str) -> str:
    """Allow what names a repository, and nothing that runs a program or shows a password."""
    if value.startswith("/") or _SCP.fullmatch(value):
        return value
    parts = urlsplit(value)
    if parts.scheme not in _SCHEMES:
        raise ValueError("write https://…, ssh://…, user@host:path or the path of a folder")
    if parts.password is not None:
        raise ValueError("must hold no password; name a variable with token_env instead")
    return value


def _inside(value: str) -> str:
    """Allow a relative path that stays where it starts."""
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError("write a path within the source, without ..")
    return value


Inside = Annotated[str, Field(max_length=4096), AfterValidator(_inside)]
Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")]


class GitSource(BaseModel):
    """A git repository.

    Attributes:
        git: its address.
        ref: branch or tag whose latest commit is meant; by default the default branch. ``branch``
            says the same.
        commit: the one that is run; a deploy without one looks up that of ``ref``.
        subdirectory: where entrypoints are relative to.
        token_env: name of the variable, in the environment of whoever fetches, that holds a token.
        username: that goes with the token.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    git: Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_address)]
    ref: Annotated[str, Field(max_length=255, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./+-]*$")] = "HEAD"
    commit: Commit | None = None
    subdirectory: Inside = ""
    token_env: Annotated[str, Field(max_length=255, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = (
        None
    )
    username: Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z0-9_.@-]+$")] = (
        "x-access-token"
    )

    @model_validator(mode="before")
    @classmethod
    def _branch(cls, value: Any) -> Any:
        """Take ``branch`` for ``ref``."""
        if not isinstance(value, dict) or "branch" not in value:
            return value
        if "ref" in value:
            raise ValueError("branch and ref mean the same; give one of them")
        return {("ref" if key == "branch" else key): each for key, each in value.items()}

    @model_validator(mode="after")
    def _token_is_safe(self) -> GitSource:
        parts = urlsplit(self.git)
        guarded = parts.scheme == "https" or (
            parts.scheme == "http" and parts.hostname in _LOOPBACK
        )
        if self.token_env is not None and not guarded:
            raise ValueError("token_env: a token is sent to https:// addresses only")
        return self

    @property
    def version(self) -> str:
        """What names the version, for people; empty before it is pinned."""
        return (self.commit or "")[:_SHORT]


class FolderSource(BaseModel):
    """A folder of which a deploy keeps a copy.

    Attributes:
        folder: its path, where it is deployed from.
        digest: of what was in it; a deploy fills it in.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: Annotated[str, Field(min_length=1, max_length=4096)]
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None

    @property
    def version(self) -> str:
        return (self.digest or "")[:_SHORT]


def _which(value: Any) -> str:
    if isinstance(value, GitSource | FolderSource):
        return "git" if isinstance(value, GitSource) else "folder"
    return "folder" if isinstance(value, dict) and "folder" in value else "git"


Source: TypeAlias = Annotated[
    Annotated[GitSource, Tag("git")] | Annotated[FolderSource, Tag("folder")],
    Discriminator(_which),
]
