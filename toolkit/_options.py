"""Command-line options made from a record of settings, for twistd and twist."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NoReturn

from twisted.python import usage

if TYPE_CHECKING:
    from toolkit.settings import Field, Settings, Value


def end(lines: str, status: int) -> NoReturn:
    """End the process with a line or some on stderr.

    Args:
        lines: What was wrong.
        status: 2 for the command line, 1 for everything else.

    Raises:
        SystemExit: Always.
    """
    for line in lines.split("\n"):
        safe = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in line[:1000])
        print(f"toolkit: {safe}", file=sys.stderr)
    raise SystemExit(status)


class StrictOptions(usage.Options):
    """Options that answer a mistake with one line and status 2.

    (twistd would print its whole help before the line, and end with 1.)
    """

    def parseOptions(self, options: list[str] | None = None) -> None:
        """Parse, or end the process with the line that says what is wrong."""
        try:
            super().parseOptions(options)
        except usage.UsageError as error:
            end(f"{error}{self._hint(str(error))}; see --help", 2)

    def parseArgs(self, *arguments: str) -> None:
        """Nothing but options is expected."""
        if arguments:
            raise usage.UsageError(f"unexpected argument {arguments[0]!r}")

    def _hint(self, mistake: str) -> str:
        from toolkit.settings import nearest

        unknown = re.match(r"Unknown command: (\S+)", mistake)
        if unknown:
            return nearest(unknown[1], [name for name, *_ in getattr(self, "subCommands", ())])
        option = re.match(r"option (--\S+) not recognized", mistake)
        known = [f"--{long.rstrip('=').replace('_', '-')}" for long in self.longOpt]
        return nearest(option[1], known) if option else ""


class RecordOptions(StrictOptions):
    """The options of one service; `given` holds what was set, by field."""

    given: dict[str, Value]

    def __init__(self) -> None:
        self.given = {}
        super().__init__()


def options_for(record: type[Settings], summary: str) -> type[RecordOptions]:
    """A class of options for a record of settings.

    Args:
        record: Each of its fields becomes an option: `max_delay_seconds` becomes
            `--max-delay-seconds`; a true-or-false one is a flag, with `--no-…` beside it; a list's
            option may be repeated.
        summary: The line that the help shows.

    Returns:
        A subclass of RecordOptions.

    Raises:
        SettingsError: A field has a name that cannot be an option of its own.
    """
    from toolkit.errors import SettingsError
    from toolkit.settings import fields_of

    methods: dict[str, Any] = {"longdesc": summary}
    for field in fields_of(record):
        if len(field.name) == 1 or field.name in ("help", "version"):
            raise SettingsError(
                [f"{record.__name__}.{field.name} cannot be an option; give it a longer name"]
            )
        if field.is_flag:
            methods[f"opt_{field.name}"] = _flag(field, "true")
            methods[f"opt_no_{field.name}"] = _flag(field, "false")
        else:
            methods[f"opt_{field.name}"] = _parameter(field)
    return type(f"{record.__name__}Options", (RecordOptions,), methods)


def _flag(field: Field, text: str) -> Callable[[RecordOptions], None]:
    def take(self: RecordOptions) -> None:
        self.given[field.name] = _value(field, text, "" if text == "true" else "no-")

    take.__doc__ = _help(field) if text == "true" else f"turn --{field.option} off"
    return take


def _parameter(field: Field) -> Callable[[RecordOptions, str], None]:
    def take(self: RecordOptions, text: str) -> None:
        before = self.given.get(field.name)
        if field.is_list:
            raw: Any = [*(before.raw if before else []), text]
        else:
            raw = text
        self.given[field.name] = _value(field, raw)

    take.__doc__ = _help(field)
    return take


def _value(field: Field, raw: Any, prefix: str = "") -> Value:
    from toolkit.settings import Value

    return Value(raw, f"--{prefix}{field.option}", is_text=True, on_command_line=True)


def _help(field: Field) -> str:
    import msgspec

    notes = [field.help or field.expected]
    if field.is_list:
        notes.append("(may be repeated)")
    if field.default is msgspec.NODEFAULT:
        notes.append("[required]")
    elif field.default is None or field.default == () or field.default == {}:
        notes.append("[default: none]")
    elif field.is_secret:
        notes.append("[default: ****]")
    elif field.is_flag:
        notes.append(f"[default: {'on' if field.default else 'off'}]")
    else:
        default = field.default
        shown = (
            ", ".join(map(str, default))
            if isinstance(default, Iterable) and field.is_list
            else default
        )
        notes.append(f"[default: {shown:g}]" if isinstance(shown, float) else f"[default: {shown}]")
    return " ".join(notes)
