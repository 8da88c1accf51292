"""Every error of the automations room: one base, retryable and terminal ones named apart."""

from __future__ import annotations


class AutomationsError(Exception):
    """Something about an automation went wrong."""


class RetryableAutomationsError(AutomationsError):
    """Trying the same again later may succeed."""


class TerminalAutomationsError(AutomationsError):
    """Trying the same again can never succeed."""


class InvalidDefinition(TerminalAutomationsError):
    """Files of definitions have problems; the message has one line for each of them.

    Attributes:
        problems: the lines, ``file:line:column: field: what is wrong``.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class InvalidExpression(TerminalAutomationsError, ValueError):
    """The CEL expression can't be compiled or asks for too much."""


class ExpressionFailed(TerminalAutomationsError):
    """A valid CEL expression could not be evaluated on this event."""


class InvalidTemplate(TerminalAutomationsError, ValueError):
    """The template can't be compiled or uses what is not allowed."""


class TemplateFailed(TerminalAutomationsError):
    """A valid template could not be rendered with these values."""


class NoEqual(TerminalAutomationsError):
    """A part of another tool's automation that nothing here equals; without it nothing is left."""
