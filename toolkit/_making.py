"""The service of a table is made, by what may be anybody's code; why it cannot be is told."""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import suppress

from twisted.application.service import IService

from toolkit._bounds import after
from toolkit.errors import ToolkitError, printable, reason_of, told
from toolkit.log.value import TAIL, Values
from toolkit.service import Shared
from toolkit.site import ServiceTable


def made(table: ServiceTable, shared: Shared, seconds: float, values: Values) -> IService:
    """Make the service of a table.

    Args:
        table: What it is, and its settings.
        shared: What it is given.
        seconds: How long that may take; after that the process ends.
        values: Masks and cuts what is told on stderr.

    Returns:
        A new service, which has no parent.

    Raises:
        ToolkitError: It cannot be made, in one line. Of a bug the traceback is on stderr.
    """
    call_off = after(seconds, lambda: _hangs(table.name, seconds))
    try:
        service = table.declaration.make(shared, table.settings)
    except ToolkitError:
        raise
    except (Exception, SystemExit) as error:
        raise ToolkitError(
            f"{table.name} could not be made: {_why(error, table, values)}", "broken-service"
        ) from error
    finally:
        call_off()
    if not IService.providedBy(service) or service.parent is not None:
        raise ToolkitError(
            f"{table.name} could not be made: make() must return a new IService each time, "
            f"and it returned {type(service).__name__}",
            "broken-service",
        )
    return service


def _why(error: BaseException, table: ServiceTable, values: Values) -> str:
    inside = None if error.__traceback__ is None else error.__traceback__.tb_next
    if inside is None:  # it could not even be called
        code = getattr(table.declaration.make, "__code__", None)
        place = f" at {os.path.basename(code.co_filename)}:{code.co_firstlineno}" if code else ""
        return f"{reason_of(error)}; make{place} is called as make(shared, settings)"
    text = "".join(traceback.format_exception(type(error), error, inside))
    with suppress(OSError, ValueError):  # there is nowhere to tell it
        for line in values.text(text, TAIL).rstrip("\n").split("\n"):
            print(printable(line), file=sys.stderr)
    return told(error)


def _hangs(name: str, seconds: float) -> None:
    """In a thread: `make()` holds the process's own."""
    with suppress(OSError):
        os.write(2, f"toolkit: {name} could not be made within {seconds:g} s\n".encode())
    os._exit(1)
