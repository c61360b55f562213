"""Pace: how long a statement takes, learned from the times it ran."""

from __future__ import annotations

TURN_SECONDS = 0.003
"""For so long one thread may be at work while others wait for it, before another thread helps."""

QUICK = 1 / 3
"""Which share of a turn is quick. Threads of Python that compute slow each other down, as there is
one lock for all of them: many quick statements are done soonest by one thread."""

_FORGETS = 1.1
_ALONE = 1000  # times


class Pace:
    """The shortest time a statement has lately taken.

    The shortest, as the others tell how busy the process was, and not what the statement needs.
    Each time forgets a little of it: one that has become slow is known for it after some thirty.

    Attributes:
        seconds: That time; endless before the first.
    """

    __slots__ = ("_alone", "seconds")

    def __init__(self) -> None:
        self.seconds = float("inf")
        self._alone = 0

    def note(self, seconds: float) -> None:
        """Note how long it took this time; called by any thread.

        Args:
            seconds: From its begin to its last row.
        """
        aged = self.seconds * _FORGETS
        self.seconds = seconds if seconds < aged else aged  # min() takes three times as long
        if self._alone:
            self._alone -= 1

    def forget(self) -> None:
        """Take it for slow until it has run alone."""
        self.seconds = float("inf")

    def fail(self) -> None:
        """Take it for slow for long: it has failed, and would again undo what is beside it."""
        self.seconds = float("inf")
        self._alone = _ALONE

    @property
    def share(self) -> float:
        """Which share of a thread's turn it is likely to take: 1 where it is not quick."""
        share = self.seconds / TURN_SECONDS
        return share if share < QUICK and not self._alone else 1.0
