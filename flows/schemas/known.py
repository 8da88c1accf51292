"""What is known of the parameters of a deployment's flow, and for how long that is true; pure.

What was told of pinned code stays true. Of files that lie where they lie, it is true as long as
they are as they were then; where nobody here can see them, for an hour.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import to_json

from upshot.events.event import MAX_NESTING, nesting
from upshot.events.ids import derived_id

from ..exceptions import WrongParameters
from .checking import problems, within_itself

HOUR_MS: Final = 3_600_000
MAX_BYTES: Final = 64 * 1024
"""Of a schema, as JSON."""
MOST_FILES: Final = 100


def is_kept(schema: dict[str, Any]) -> bool:
    """Tell whether a schema is one that is kept: not too large, and referring to itself only."""
    small = len(to_json(schema)) <= MAX_BYTES and nesting(schema) <= MAX_NESTING
    return small and within_itself(schema)


def _kept(schema: dict[str, Any]) -> dict[str, Any]:
    if not is_kept(schema):
        raise ValueError(
            f"must have at most {MAX_BYTES:,} bytes, be nested {MAX_NESTING} deep at most, and "
            "refer to nothing but its own $defs"
        )
    return schema


class Known(BaseModel):
    """What is known of the parameters of a version of a deployment's code.

    Attributes:
        takes: JSON schema of an object with the parameters by name.
        files: where the code lies, with the ns of each file's change; none of code from a source.
        at: when it was told, Unix ms.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    takes: Annotated[dict[str, Any], AfterValidator(_kept)]
    files: list[tuple[Annotated[str, Field(max_length=4096)], int]] = Field(
        default_factory=list, max_length=MOST_FILES
    )
    at: int = 0

    def holds(self, now: int, changed_at: Callable[[str], int]) -> bool:
        """Tell whether it is still true of code that is not pinned, as far as can be seen here.

        Args:
            now: Unix ms. changed_at: tells when a file was changed; 0 where there is none.
        """
        here = [changed_at(path) for path, _ in self.files]
        return here == [at for _, at in self.files] if any(here) else now - self.at < HOUR_MS


def is_pinned(source: Mapping[str, Any] | None) -> bool:
    """Tell whether a deployment's code can't change without another deploy."""
    return bool(source and (source.get("commit") or source.get("digest")))


def is_enforced(deployment: Mapping[str, Any]) -> bool:
    """Tell whether a deployment's runs are refused at once where the parameters are wrong."""
    return deployment.get("enforce_parameter_schema") is not False


def place_of(deployment: Mapping[str, Any]) -> tuple[str, str]:
    """Return where what is known is kept: the deployment's name, and what names its code.

    Args:
        deployment: its definition; ``name``, ``entrypoint`` and ``source`` count.
    """
    source = {key: value for key, value in (deployment.get("source") or {}).items() if value}
    told = to_json(dict(sorted(source.items()))).decode()
    return deployment["name"], derived_id("code", deployment["entrypoint"], told)


def is_true(
    deployment: Mapping[str, Any], known: Known, now: int, changed_at: Callable[[str], int]
) -> bool:
    """Tell whether what was told of a deployment is true of its code now; see :class:`Known`."""
    return is_pinned(deployment.get("source")) or known.holds(now, changed_at)


def wrong_ones(
    deployment: Mapping[str, Any], known: Known, parameters: Mapping[str, Any]
) -> WrongParameters | None:
    """Return what keeps a deployment from taking parameters, as far as that is known.

    Args:
        parameters: those that differ from the deployment's.
    """
    if not is_enforced(deployment):
        return None
    together = {**(deployment.get("parameters") or {}), **parameters}
    wrong = problems(known.takes, together)
    return WrongParameters(wrong) if wrong else None
