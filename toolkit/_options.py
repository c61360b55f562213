"""Command-line options made from a record of settings, for twistd and twist."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from twisted.python import usage

from toolkit._terminal import end, write

if TYPE_CHECKING:
    from toolkit.settings import Field, Settings, Value
    from toolkit.site import Table


class StrictOptions(usage.Options):
    """Options that answer a mistake with one line and status 2.

    (twistd would print its whole help before the line, and end with 1.)
    """

    def parseOptions(self, options: list[str] | None = None) -> None:
        """Parse, or end the process with the line that says what is wrong."""
        try:
            super().parseOptions(options)
        except usage.UsageError as error:
            problem = " ".join(str(error).splitlines())  # an argument may have several
            end(f"{problem}{self._hint(problem)}; see --help", 2)

    def opt_help(self) -> None:
        """print this help, and stop"""
        write(f"{self}\n")
        sys.exit(0)

    opt_h = opt_help

    def opt_version(self) -> None:
        """print the toolkit's version, and stop"""
        from toolkit.version import distribution

        write(f"{distribution()}\n")
        sys.exit(0)

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
    """The options of one service.

    Attributes:
        record: What they were made from.
        given: What was set, by field.
        mistakes: What no setting can be made of; told with those in the settings.
        in_force: Gives the settings in force without these options, and where each was set;
            None where there are none to show.
    """

    record: type[Settings]
    given: dict[str, Value]
    mistakes: list[str]
    in_force: Callable[[], Table | None] | None = None

    def __init__(self) -> None:
        self.given = {}
        self.mistakes = []
        super().__init__()

    def parseOptions(self, options: list[str] | None = None) -> None:
        """Parse; keep each mistake, and go on without it."""
        rest = list(options or [])
        while True:
            try:
                usage.Options.parseOptions(self, rest)
                return
            except usage.UsageError as error:
                self.mistakes.append(f"{error}{self._hint(str(error))}; see --help")
                if not _forget(rest, str(error)):
                    return

    def getUsage(self, width: int | None = None) -> str:
        """The help, with what is in force in the place of the defaults."""
        from toolkit.settings import fields_of

        table = None if self.in_force is None else self.in_force()
        if table is not None:
            for field in fields_of(self.record):
                place = table.places[field.name]
                if place != "default":
                    value = getattr(table.settings, field.name)
                    self.docs[field.option] = f"{_help(field, value)[:-1]}, from {place}]"
        return super().getUsage(width)


def _forget(arguments: list[str], mistake: str) -> bool:
    """Take a wrong option, and what looks like its value, out of the arguments."""
    wrong = re.match(r"option (-\S+) ", mistake)
    for index, argument in enumerate(arguments if wrong else ()):
        if wrong and argument.partition("=")[0] == wrong[1]:
            follows = "requires" not in mistake and "=" not in argument
            has_value = follows and not "".join(arguments[index + 1 : index + 2]).startswith("-")
            del arguments[index : index + 1 + has_value]
            return True
    return False


def options_for(record: type[Settings], summary: str) -> type[RecordOptions]:
    """A class of options for a record of settings.

    Args:
        record: Each of its fields becomes an option: `max_delay_seconds` becomes
            `--max-delay-seconds`; a true-or-false one is a flag, with `--no-…` beside it; a list's
            option may be repeated.
        summary: The line that the help shows.

    Returns:
        A subclass of RecordOptions. A Secret's option has one beside it that names a file.
    """
    from toolkit.settings import fields_of

    methods: dict[str, Any] = {"longdesc": summary}
    for field in fields_of(record):
        if field.is_flag:
            methods[f"opt_{field.name}"] = _flag(field, "true")
            methods[f"opt_no_{field.name}"] = _flag(field, "false")
        else:
            methods[f"opt_{field.name}"] = _parameter(field)
        if field.file_setting:
            methods[f"opt_{field.file_setting}"] = _file_parameter(field)
    methods["record"] = record
    return type(f"{record.__name__}Options", (RecordOptions,), methods)


def _flag(field: Field, text: str) -> Callable[[RecordOptions], None]:
    def take(self: RecordOptions) -> None:
        self.given[field.name] = _value(field, text, "" if text == "true" else "no-")

    take.__doc__ = _help(field, field.default) if text == "true" else f"turn --{field.option} off"
    return take


def _parameter(field: Field) -> Callable[[RecordOptions, str], None]:
    def take(self: RecordOptions, text: str) -> None:
        before = self.given.get(field.name)
        if field.is_list:
            raw: Any = [*(before.raw if before else []), text]
        else:
            raw = text
        self.given[field.name] = _value(field, raw)

    take.__doc__ = _help(field, field.default)
    return take


def _file_parameter(field: Field) -> Callable[[RecordOptions, str], None]:
    def take(self: RecordOptions, text: str) -> None:
        self.given[field.file_setting] = _value(field, text, suffix="-file")

    take.__doc__ = f"a file that holds --{field.option} [default: none]"
    return take


def _value(field: Field, raw: Any, prefix: str = "", suffix: str = "") -> Value:
    from toolkit.settings import Value

    place = f"--{prefix}{field.option}{suffix}"
    return Value(raw, place, is_text=True, on_command_line=True)


def _help(field: Field, default: Any) -> str:
    import msgspec

    notes = [field.help or field.expected]
    if field.is_list:
        notes.append("(may be repeated)")
    if field.is_table:
        notes.append("(name=value,name=value)")
    if default is msgspec.NODEFAULT:
        notes.append("[required]")
    elif default is None or default == () or default == {}:
        notes.append("[default: none]")
    elif field.is_secret:
        notes.append("[default: ****]")
    elif field.is_flag:
        notes.append(f"[default: {'on' if default else 'off'}]")
    elif isinstance(default, float):
        notes.append(f"[default: {default:g}]")
    elif isinstance(default, dict):
        notes.append(f"[default: {','.join(f'{name}={one}' for name, one in default.items())}]")
    else:
        members = default if isinstance(default, Iterable) and field.is_list else [default]
        notes.append(f"[default: {', '.join(_masked(str(one)) for one in members)}]")
    return " ".join(notes)


def _masked(text: str) -> str:
    """A value without the credentials in a URL, as --show-settings has it."""
    if "://" not in text:
        return text
    from toolkit.log.secrets import Masks  # nearly no help has a URL

    return Masks().text(text)
