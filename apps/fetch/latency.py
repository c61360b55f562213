"""How long requests took, by host, in memory that does not grow with their number."""

from __future__ import annotations

import math
from collections import Counter

HOSTS = 200
OTHERS = "others"
_LEAST = 1e-6
_PER_E = 20  # classes for each factor of e: each is 5 % wide


class Latency:
    """Seconds, counted by classes of 5 %: percentiles without the values themselves."""

    def __init__(self) -> None:
        self._classes: Counter[int] = Counter()
        self.count = 0
        self.most = 0.0

    def add(self, seconds: float) -> None:
        """Count one.

        Args:
            seconds: How long it took.
        """
        self.count += 1
        if seconds > self.most:
            self.most = seconds
        self._classes[int(math.log(seconds / _LEAST) * _PER_E) if seconds > _LEAST else 0] += 1

    def percentile(self, percent: float) -> float:
        """The seconds within which so many of a hundred were done, to about 5 %.

        Args:
            percent: From 0 to 100.
        """
        left = math.ceil(self.count * percent / 100)
        for number in sorted(self._classes):
            left -= self._classes[number]
            if left <= 0:
                return min(self.most, _LEAST * math.exp((number + 1) / _PER_E))
        return self.most


class Latencies:
    """Latency by host: of the first 200 hosts, and of all others together."""

    def __init__(self) -> None:
        self._hosts: dict[str, Latency] = {}
        self._origins: dict[str, Latency] = {}  # by how a URL begins: soon found

    def add(self, url: str, seconds: float) -> None:
        """Count one.

        Args:
            url: What was asked.
            seconds: How long it took.
        """
        end = url.find("/", 8)
        latency = self._origins.get(url[:end]) if end > 0 else None
        if latency is None:
            latency = self._found(url, end)
        latency.add(seconds)

    def _found(self, url: str, end: int) -> Latency:
        host = host_of(url)
        if host not in self._hosts and len(self._hosts) >= HOSTS:
            host = OTHERS
        latency = self._hosts.setdefault(host, Latency())
        if end > 0 and len(self._origins) < HOSTS and host_of(url[:end]) == host:
            self._origins[url[:end]] = latency
        return latency

    def busiest(self, most: int) -> list[tuple[str, Latency]]:
        """The hosts that were asked most, first the most.

        Args:
            most: How many at most.
        """
        ordered = sorted(self._hosts.items(), key=lambda pair: (-pair[1].count, pair[0]))
        return ordered[:most]

    def __len__(self) -> int:
        return len(self._hosts)


def host_of(url: str) -> str:
    """Host and port of a URL, as they stand in it, in lower case; "?" where it has none.

    Args:
        url: A URL as it was given: maybe none.
    """
    parts = url.split("/", 3)
    if len(parts) < 3 or parts[1]:
        return "?"
    place = parts[2].partition("?")[0].partition("#")[0]
    return place.rpartition("@")[2].strip().lower() or "?"
