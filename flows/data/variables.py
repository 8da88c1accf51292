"""Variables: named JSON values that flows, automations and people read and set."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from ..aside import here_or_beside
from ..calls.parameters import as_json
from ..exceptions import InvalidVariable, VariableExists
from ..given import FLAG, require, shown
from ..joining.documents import Document, change, stored
from ..joining.store import store_here

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


@dataclass(frozen=True, slots=True)
class Variable:
    """A named value.

    Its functions can be awaited in coroutines; each has a twin with an ``a`` in front as well.

    Attributes:
        name: letters, digits and ``_``. value: any JSON.
    """

    name: str
    value: Any

    @staticmethod
    def get(name: str, default: Any = None) -> Any:
        """Return the value of the variable of this name, or the default where there is none."""
        return here_or_beside(_get, name, default)

    @staticmethod
    def set(name: str, value: Any, overwrite: bool = False) -> Any:
        """Give a variable a value and return it.

        Args:
            value: JSON, a model, a dataclass, a time. overwrite: whether it may have one already.

        Raises:
            VariableExists: it has one, and may not.
            InvalidVariable, InvalidParameters: naming what is wrong.
        """
        return here_or_beside(_set, name, value, overwrite)

    @staticmethod
    def unset(name: str) -> Any:
        """Forget a variable; return whether it was there."""
        return here_or_beside(_unset, name)

    @staticmethod
    async def aget(name: str, default: Any = None) -> Any:
        return await Variable.get(name, default)

    @staticmethod
    async def aset(name: str, value: Any, overwrite: bool = False) -> Variable:
        made: Variable = await Variable.set(name, value, overwrite)
        return made

    @staticmethod
    async def aunset(name: str) -> bool:
        gone: bool = await Variable.unset(name)
        return gone


def _get(name: str, default: Any) -> Any:
    _, found = stored(store_here(), "variable", _checked(name))
    return default if found is None else found.get("value")


def _set(name: str, value: Any, overwrite: bool) -> Variable:
    require(FLAG, overwrite=overwrite)
    kept = as_json("value", value)
    wanted = {"name": _checked(name), "value": kept}

    def made(old: Document | None) -> Document:
        if old is not None and not overwrite:
            raise VariableExists(f"variable {name!r} has a value; overwrite=True changes it")
        return wanted

    change(store_here(), "variable", name, made)
    return Variable(name, kept)


def _unset(name: str) -> bool:
    return change(store_here(), "variable", _checked(name), lambda _: None) == "deleted"


def _checked(name: object) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        rule = "must be letters, digits and _, 128 at most"
        raise InvalidVariable(f"name: {shown(name, 40)} {rule}")
    return name
