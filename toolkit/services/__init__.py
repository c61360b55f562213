"""The registry: which services there are. One is loaded only when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit.service import Declaration

SERVICES = {
    "contacts": "Keep users and their contacts in the database, behind a JSON API.",
    "countdown": "Count down to 1 on every connection, one line a second, and close it.",
    "echo": "Send back every byte received, in order.",
    "fetcher": "Fetch URLs again and again, and log what each answered.",
    "insults": "Answer every request with an insult, after a while.",
    "poller": "Watch files and folders, and log what is created, modified and deleted.",
}
"""The services that come with the toolkit: name and one line of help."""


def load(kind: str) -> Declaration[Any]:
    """Load the declaration of a service.

    Args:
        kind: A name in SERVICES, or the module of another package that holds `SERVICE`.

    Returns:
        Its Declaration.

    Raises:
        ToolkitError: Where there is no such module, it cannot be imported, or it declares nothing.
    """
    # Imported when a service is asked for: `--help` lists them all and needs none.
    from toolkit.errors import MissingExtra, ToolkitError
    from toolkit.service import Declaration
    from toolkit.settings import Settings

    name = f"{__name__}.{kind}" if kind in SERVICES else kind
    try:
        module = import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if kind not in SERVICES and (name == missing or name.startswith(f"{missing}.")):
            raise ToolkitError(f"there is no service {kind!r}", "no-such-service") from error
        raise MissingExtra(f"service {kind!r} needs the package {missing!r}") from error
    except (
        Exception,
        SystemExit,
    ) as error:  # a module of another's may raise anything while it is imported
        raise ToolkitError(
            f"service {kind!r} cannot be imported: {type(error).__name__}: {error}",
            "broken-service",
        ) from error
    declaration = getattr(module, "SERVICE", None)
    if not isinstance(declaration, Declaration) or not (
        isinstance(declaration.settings, type) and issubclass(declaration.settings, Settings)
    ):
        raise ToolkitError(
            f"module {name!r}{_place(module)} declares no service: "
            "it needs SERVICE = Declaration(settings, make)",
            "no-such-service",
        )
    return declaration


def _place(module: object) -> str:
    """Where a module was found: one of Python's own may hide that of a file."""
    file = getattr(module, "__file__", None)
    return f" ({file})" if file else " (built into Python)"
