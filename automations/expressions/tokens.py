"""The words and signs of a CEL expression, as its own parser takes them apart."""

from __future__ import annotations

import re
from typing import Final

_TOKEN: Final = re.compile(
    r"""(?P<comment>//[^\n]*)"""
    r"""|(?P<text>(?P<prefix>(?P<raw>[bB]?[rR])|[bB]?)"""
    # Where quotes are raw a backslash is a character like any other; elsewhere it escapes one.
    r"""(?(raw)(?:'''.*?'''|\"\"\".*?\"\"\"|'[^'\n]*'|"[^"\n]*")"""
    r"""|(?:'''(?:\\.|[^\\])*?'''|\"\"\"(?:\\.|[^\\])*?\"\"\""""
    r"""|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")))"""
    r"""|(?P<name>[A-Za-z_]\w*)|(?P<number>\d[\w.]*)|(?P<sign>[^\s\w])""",
    re.DOTALL,
)

Token = re.Match[str]
"""A match with one of the groups ``text``, ``name``, ``number`` and ``sign``."""


def tokens_of(source: str) -> list[Token]:
    """Return an expression's words and signs, without blanks and comments."""
    return [each for each in _TOKEN.finditer(source) if not each["comment"]]
