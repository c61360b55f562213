"""Every error the toolkit raises.

Each has a `code`, a short stable word for programs, and a message for people: what happened
to what, and what to do. The cause is chained (`raise … from …`).
"""

from __future__ import annotations

import os

_MUTE = "that cannot be shown"  # of an exception whose own code fails


class ToolkitError(Exception):
    """Something the toolkit could not do, said in one line.

    Args:
        message: What happened to what, and what to do.
        code: The stable word for this case; the class's own when it is left out.
    """

    code = "error"

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class SettingsError(ToolkitError):
    """A setting is wrong: each line says where it was set, what was expected, what was found.

    Args:
        problems: One line for each wrong setting; there is at least one.
        on_command_line: Whether the command line is where the mistake is (exit status 2, not 1).
    """

    code = "invalid-settings"
    shown = 20  # with the prompt, and what was typed, a screen

    def __init__(self, problems: list[str], on_command_line: bool = False) -> None:
        self.problems = problems
        self.on_command_line = on_command_line
        lines = [" ".join(problem.splitlines()) for problem in problems]
        if len(lines) > self.shown:
            kept = self.shown - 1
            lines = [*lines[:kept], f"and {len(problems) - kept} more mistakes"]
        super().__init__("\n".join(lines))


class MissingExtra(ToolkitError):
    """A feature needs a package that is not installed."""

    code = "missing-extra"


class ListenFailed(ToolkitError):
    """An endpoint could not be listened on: a taken port, no permission, no such interface."""

    code = "listen-failed"


class StartFailed(ToolkitError):
    """A service could not start; what had been started before it was stopped again."""

    code = "start-failed"


class TimedOut(ToolkitError):
    """What was waited for did not happen in the time given."""

    code = "timeout"


class ConnectFailed(ToolkitError):
    """A connection could not be made, or was refused."""

    code = "connect-failed"


class ConnectionBroken(ToolkitError):
    """A connection ended before it was complete."""

    code = "disconnected"


class TooLarge(ToolkitError):
    """More bytes came than were allowed."""

    code = "too-large"


def reason_of(error: BaseException) -> str:
    """What an exception says, in one line; its type's name when it says nothing.

    Args:
        error: Any exception.
    """
    name = type(error).__name__
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an exception's own code runs in there
        return f"{name} {_MUTE}"
    return "; ".join(line for one in text.splitlines() if (line := one.strip())) or name


def told(error: BaseException) -> str:
    """An exception that is a bug, in one line: its type, what it says, and where it was raised.

    Args:
        error: Any exception: `KeyError: 'url' at mine.py:12`.
    """
    name, reason = type(error).__name__, reason_of(error)
    is_named = reason in (name, f"{name} {_MUTE}")
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = ""
    if trace is not None:
        place = f" at {os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}"
    return f"{reason if is_named else f'{name}: {reason}'}{place}"


def printable(text: str) -> str:
    """The text on one line, with what a terminal would obey, or not show, escaped as in Python.

    Args:
        text: Any text, from anywhere. A byte of a file's name that was not UTF-8 (PEP 383) is
            shown as that byte.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else _escaped(one) for one in text)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code - 0xDC00:x}" if 0xDC80 <= code <= 0xDCFF else ascii(character)[1:-1]
