"""A thin application toolkit on top of Twisted.

Importing it starts no reactor and loads nothing: each name below loads its module on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit.collecting import (
        Collected as Collected,
        collect as collect,
        collect_all as collect_all,
    )
    from toolkit.concurrency import (
        deferred as deferred,
        for_each_limited as for_each_limited,
        gather_limited as gather_limited,
        parallel_lookup as parallel_lookup,
        within as within,
    )
    from toolkit.database.database import Database as Database
    from toolkit.database.errors import DatabaseError as DatabaseError
    from toolkit.database.rows import Row as Row
    from toolkit.database.settings import DatabaseSettings as DatabaseSettings
    from toolkit.database.transaction import Transaction as Transaction
    from toolkit.errors import ToolkitError as ToolkitError
    from toolkit.files import Change as Change, Watcher as Watcher, wait_for_file as wait_for_file
    from toolkit.group import Group as Group
    from toolkit.http.failures import FetchError as FetchError
    from toolkit.http.fetcher import (
        Fetcher as Fetcher,
        FetchSettings as FetchSettings,
        Page as Page,
    )
    from toolkit.listen import ListenSettings as ListenSettings, listening as listening
    from toolkit.log import log_context as log_context
    from toolkit.periodic import Periodic as Periodic
    from toolkit.program import run as run
    from toolkit.service import Declaration as Declaration, Health as Health, Shared as Shared
    from toolkit.services.countdown import count_down as count_down
    from toolkit.settings import (
        Endpoint as Endpoint,
        Meta as Meta,
        Secret as Secret,
        Settings as Settings,
    )
    from toolkit.waiting import shielded as shielded
    from toolkit.web.answers import BytesResponse as BytesResponse, JsonResponse as JsonResponse
    from toolkit.web.errors import HttpError as HttpError
    from toolkit.web.handler import as_json as as_json
    from toolkit.web.resource import JsonSettings as JsonSettings, serving_json as serving_json
    from toolkit.web.site import WebSettings as WebSettings, serving as serving

_NAMES = {
    "collecting": ("Collected", "collect", "collect_all"),
    "concurrency": ("deferred", "for_each_limited", "gather_limited", "parallel_lookup", "within"),
    "database.database": ("Database",),
    "database.errors": ("DatabaseError",),
    "database.rows": ("Row",),
    "database.settings": ("DatabaseSettings",),
    "database.transaction": ("Transaction",),
    "errors": ("ToolkitError",),
    "files": ("Change", "Watcher", "wait_for_file"),
    "group": ("Group",),
    "http.failures": ("FetchError",),
    "http.fetcher": ("FetchSettings", "Fetcher", "Page"),
    "listen": ("ListenSettings", "listening"),
    "log": ("log_context",),
    "periodic": ("Periodic",),
    "program": ("run",),
    "service": ("Declaration", "Health", "Shared"),
    "services.countdown": ("count_down",),
    "settings": ("Endpoint", "Meta", "Secret", "Settings"),
    "waiting": ("shielded",),
    "web.answers": ("BytesResponse", "JsonResponse"),
    "web.errors": ("HttpError",),
    "web.handler": ("as_json",),
    "web.resource": ("JsonSettings", "serving_json"),
    "web.site": ("WebSettings", "serving"),
}
_HOME = {name: module for module, names in _NAMES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
