"""How functions get to other processes: by name where they can be imported, else by their code."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import MethodType
from typing import Any

from ..definitions.definition import Definition
from ..exceptions import OtherCode


@dataclass(frozen=True, slots=True)
class Shipped:
    """A function on its way.

    Attributes:
        module: to import, or "" where the function itself is here. name: in the module.
        instance: what it is a method of, in a tuple of one.
    """

    module: str
    name: str
    function: Callable[..., Any] | None = None
    instance: tuple[Any, ...] = ()

    def load(self) -> Callable[..., Any]:
        """Return the function.

        Raises:
            OtherCode: the module that this process imports by that name does not have it.
        """
        function: Any = self.function
        if self.module:
            module = importlib.import_module(self.module)
            function = _found(module, self.name)
            if not callable(function):
                where = getattr(module, "__file__", "a module without a file")
                raise OtherCode(
                    f"{self.module} is {where} here, which has no {self.name}: this process needs "
                    "the code that the flow's has, under a name that no other module has"
                )
        return MethodType(function, self.instance[0]) if self.instance else function


def ship(function: Any) -> Shipped:
    """Return a function as it can be sent; pickling it says whether that works."""
    instance: tuple[Any, ...] = ()
    if isinstance(function, MethodType):
        function, instance = function.__func__, (function.__self__,)
    module = getattr(function, "__module__", None) or ""
    name = getattr(function, "__qualname__", "")
    loaded = None if module == "__main__" else sys.modules.get(module)
    if loaded is not None and _found(loaded, name) is function:
        return Shipped(module, name, instance=instance)
    return Shipped("", name, function, instance)


def dumped(value: Any) -> bytes:
    """Return a value as bytes, with code of its own in it where that can't be imported."""
    import cloudpickle

    body: bytes = cloudpickle.dumps(value)
    return body


def _found(module: Any, name: str) -> Any:
    """Return the function of this name, also where a flow or task stands in its place."""
    found = module
    for part in name.split("."):
        found = vars(found).get(part) if hasattr(found, "__dict__") else None
    if isinstance(found, staticmethod | classmethod):
        found = found.__func__
    return found.fn if isinstance(found, Definition) else found
