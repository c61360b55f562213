"""Asking one URL many times at once, and counting the answers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from toolkit.concurrency import deferred, for_each_limited
from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    from toolkit.http.fetcher import Fetcher


@dataclass
class Tally:
    """How often each answer came, and each failure.

    `answers` counts bodies, as text without the white space around; `failures` counts the codes
    of errors, and answers of 400 and above as `status-404`.
    """

    answers: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)


@deferred
async def tally(fetcher: Fetcher, url: str, requests: int, into: Tally | None = None) -> Tally:
    """Ask for a URL many times at once.

    Args:
        fetcher: Its `concurrency` says how many are really under way at once.
        url: The URL.
        requests: How many times.
        into: Counts into this one, which can be read while the requests are under way.

    Returns:
        A Deferred with the counts. It does not fail for what a request fails with; cancelling it
        cancels the requests.
    """
    counts = into if into is not None else Tally()

    async def ask(_number: int) -> None:
        try:
            page = await fetcher.get(url)
        except ToolkitError as error:
            counts.failures[error.code] += 1
            return
        if page.status >= 400:
            counts.failures[f"status-{page.status}"] += 1
        else:
            counts.answers[page.body.decode("utf-8", "replace").strip()] += 1

    await for_each_limited(ask, range(requests), max(1, requests))
    return counts
