"""Jinja2 templates for the text fields of actions: compiled when saved, bounded when rendered."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from jinja2 import Template as Compiled
from jinja2 import TemplateError, TemplateSyntaxError, Undefined, meta, nodes
from jinja2.exceptions import SecurityError
from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from ..exceptions import InvalidTemplate, TemplateFailed
from ..suggestions import did_you_mean
from .budget import BUDGET, DEADLINE, Budget, Deadline
from .effort import effort
from .paths import paths_of
from .sandbox import MAX_OUTPUT, Sandbox, bounded

MAX_SOURCE: Final = 16 * 1024
VARIABLES: Final = frozenset(
    {"event", "events", "firing", "automation", "flow_run", "deployment", "variables"}
)
STORED: Final = {"upshot": "stored"}
"""The validation context of definitions that were checked when they were saved."""
_RESULT: Final = "upshot_result"


@cache
def _environment() -> Sandbox:
    return Sandbox()


class Template:
    """A template over ``VARIABLES``.

    A lone ``{{ expression }}`` keeps its value's type; anything else gives text.

    Args:
        source: at most ``MAX_SOURCE`` characters.
        stored: whether it was compiled when it was saved: then that is done again only when it is
            needed, and what would be raised here is raised there.

    Attributes:
        is_plain: whether it is text without anything to fill in.

    Raises:
        InvalidTemplate: its syntax is wrong, or it uses unknown names or what is not allowed.
    """

    __slots__ = ("_compiled", "_effort", "_lone", "_waits", "is_plain", "source")

    def __init__(self, source: str, *, stored: bool = False) -> None:
        if len(source) > MAX_SOURCE:
            raise InvalidTemplate(f"a template of more than {MAX_SOURCE:,} characters")
        self.source = source
        self._compiled: Compiled | None = None
        self._lone = False
        self._effort: int | None = 0
        self.is_plain = not ("{{" in source or "{%" in source or "{#" in source)
        self._waits = not self.is_plain
        if self._waits and not stored:
            self._compile(_environment())

    def _compile(self, environment: Sandbox) -> None:
        try:
            tree = environment.parse(self.source)
            self._effort = effort(tree)
            _check_names(tree)
            lone = _lone_expression(tree)
            self._lone = lone is not None
            if lone is not None:
                keep = nodes.Assign(nodes.Name(_RESULT, "store"), lone, lineno=1)
                tree = nodes.Template([keep], lineno=1)
            tree = environment.prepare(tree)
            tree.set_environment(environment)
            self._compiled = environment.from_string(tree)
            # Copied for each rendering, which a plain dict makes five times faster.
            self._compiled.globals = dict(self._compiled.globals)
            self._waits = False
        except TemplateSyntaxError as error:
            raise InvalidTemplate(f"line {error.lineno}: {error.message}") from error
        except TemplateError as error:
            raise InvalidTemplate(str(error)) from error
        except (RecursionError, SyntaxError, MemoryError) as error:  # Python's own compiler
            raise InvalidTemplate(f"nested too deep: {error}") from error

    @property
    def needed(self) -> list[tuple[str, ...]]:
        """The paths that it reads, as far as they are written out; not what it may well lack."""
        return [] if self.is_plain else paths_of(_environment().parse(self.source))

    @property
    def effort(self) -> int | None:
        """How many operations on values it takes; None where that can't be told before, or where
        one of them may take long: such a template is best rendered where it can be stopped.
        """
        if self._waits:
            self._compile(_environment())
        return self._effort

    def render(self, variables: Mapping[str, Any]) -> Any:
        """Fill the template in.

        Raises:
            TemplateFailed: a name or key is missing, or the output is too large.
        """
        if self._waits:
            self._compile(_environment())
        if self._compiled is None:
            return self.source
        budget = Budget(variables.get(DEADLINE) or Deadline())
        names = {**self._compiled.globals, **variables, BUDGET: budget}
        context = self._compiled.new_context(names, shared=True)  # else it copies them once more
        try:
            pieces = _joined(self._compiled.root_render_func(context))
            return _plain(bounded(context.vars[_RESULT])) if self._lone else pieces
        except TemplateFailed:
            raise
        except Exception as error:  # whatever an expression in it may raise
            raise TemplateFailed(f"{self.source[:100]!r}: {error}") from error

    def render_text(self, variables: Mapping[str, Any]) -> str:
        """Fill the template in as text.

        Raises:
            TemplateFailed: as :meth:`render`.
        """
        value = self.render(variables)
        return value if isinstance(value, str) else "" if value is None else str(value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Template) and other.source == self.source

    def __hash__(self) -> int:
        return hash(self.source)

    def __repr__(self) -> str:
        return f"Template({self.source!r})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(
            validated,
            json_schema_input_schema=core_schema.str_schema(),
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda value: value.source, return_schema=core_schema.str_schema()
            ),
        )


def validated(value: object, info: ValidationInfo) -> Template:
    """Return a template as it is written, or raise ValueError."""
    if isinstance(value, Template):
        return value
    if isinstance(value, str):
        return Template(value, stored=info.context == STORED)
    raise ValueError("text is expected; put it in quotes")


def require_bounded(value: Any) -> None:
    """Do nothing unless what templates made is more than anything should send.

    Raises:
        TemplateFailed: saying which bound it goes beyond.
    """
    try:
        bounded(value)
    except SecurityError as error:
        raise TemplateFailed(str(error)) from error


def _check_names(tree: nodes.Template) -> None:
    for name in sorted(meta.find_undeclared_variables(tree)):
        if name not in VARIABLES and name not in _environment().globals:
            raise InvalidTemplate(f"unknown name '{name}'{did_you_mean(name, VARIABLES)}")


def _lone_expression(tree: nodes.Template) -> nodes.Expr | None:
    """Return the one expression that the template consists of, or None."""
    if len(tree.body) != 1 or not isinstance(tree.body[0], nodes.Output):
        return None
    parts = [
        part
        for part in tree.body[0].nodes
        if not (isinstance(part, nodes.TemplateData) and not part.data.strip())
    ]
    if len(parts) == 1 and not isinstance(parts[0], nodes.TemplateData):
        return parts[0]
    return None


def _joined(pieces: Any) -> str:
    kept, length = [], 0
    for piece in pieces:
        length += len(piece)
        if length > MAX_OUTPUT:
            raise TemplateFailed(f"the output is longer than {MAX_OUTPUT:,} characters")
        kept.append(piece)
    return "".join(kept)


def _plain(value: Any) -> Any:
    """Return a value as JSON knows it.

    Raises:
        TemplateFailed: it is nothing that JSON can hold.
    """
    if isinstance(value, Undefined):
        str(value)  # a strict one says here what is missing
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | range) or hasattr(value, "__next__"):
        return [_plain(item) for item in value]
    raise TemplateFailed(f"the result is a {type(value).__name__}, which is no data")
