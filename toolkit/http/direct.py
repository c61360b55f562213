"""What is asked without a proxy, as the variable no_proxy says it. No I/O."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

from toolkit.http.failures import FetchError
from toolkit.http.urls import parse_url

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Direct(NamedTuple):
    """What is asked without a proxy.

    Args:
        everything: Whether that is all there is.
        names: Names, each meant with all below it, and the port; 0 for every port.
        blocks: Blocks of addresses, and the port.
    """

    everything: bool
    names: frozenset[tuple[str, int]]
    blocks: tuple[tuple[_Network, int], ...]

    @classmethod
    def parsed(cls, text: str) -> Direct:
        """Read the value of no_proxy.

        Args:
            text: What is meant, parted by commas or spaces, as curl reads it: a name with all below
                it, whether or not it has a dot in front; an address, in any spelling, in brackets
                or without; a block of addresses (`10.0.0.0/8`); a name or an address with a port
                for that port only; `*` for everything. What is none of these matches nothing.
        """
        names, blocks = set(), []
        entries = text.replace(",", " ").split()
        for entry in entries:
            block = _block(entry)
            if block is not None:
                blocks.append((block, 0))
                continue
            name, port = _name_and_port(entry)
            block = _block(name)
            if block is not None:
                blocks.append((block, port))
            elif name:
                names.add((name, port))
        return cls("*" in entries, frozenset(names), tuple(blocks))

    def holds(self, host: str, port: int) -> bool:
        """Whether a host is asked without a proxy.

        Args:
            host: Its name or address, as in a Target.
            port: The port.
        """
        if self.everything:
            return True
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            rest = host.rstrip(".")
            while rest:
                if (rest, 0) in self.names or (rest, port) in self.names:
                    return True
                rest = rest.partition(".")[2]
            return False
        return any(only in (0, port) and address in block for block, only in self.blocks)


def _block(text: str) -> _Network | None:
    address, slash, length = text.partition("/")
    try:
        return ipaddress.ip_network(address.strip("[]") + slash + length, strict=False)
    except ValueError:
        return None


def _name_and_port(entry: str) -> tuple[str, int]:
    """A name as it stands in a Target, or an address, and its port; "" where it is neither."""
    bare = entry.removeprefix("*").removeprefix(".")
    try:
        host, port = parse_url(f"http://{bare}/")[1:3]
    except FetchError:
        return "", 0
    return host.rstrip("."), port if re.search(r":[0-9]+$", bare) else 0
