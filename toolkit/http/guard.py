"""Which addresses may be connected to: those of the public internet. No I/O.

An address is judged when a connection is made, after its name was looked up, and it is the address
itself that is connected to then. So it matters neither how a URL spells it nor what a name leads to
the next time (DNS rebinding).

Public is what is in the space given out for global unicast, and is not marked otherwise in IANA's
registries of special-purpose addresses (RFC 6890, RFC 8190; iana-ipv4-special-registry and
iana-ipv6-special-registry, as of 2025). `ipaddress.is_global` is not asked: what it says differs
between the patch versions of Python.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from toolkit.concurrency import deferred
from toolkit.http.failures import FetchError, shown
from toolkit.http.resolving import NameResolver

_REFUSED_4: Mapping[IPv4Network, str] = {
    IPv4Network("0.0.0.0/8"): "this network, or unspecified (RFC 791)",
    IPv4Network("10.0.0.0/8"): "private (RFC 1918)",
    IPv4Network("100.64.0.0/10"): "shared behind a carrier's NAT (RFC 6598)",
    IPv4Network("127.0.0.0/8"): "loopback (RFC 1122)",
    IPv4Network("169.254.0.0/16"): "link-local (RFC 3927)",
    IPv4Network("172.16.0.0/12"): "private (RFC 1918)",
    # Two of it are global by the registry, the anycast ones of PCP and TURN (RFC 7723, RFC 8155):
    # they lead to the router or the relay of one's own network.
    IPv4Network("192.0.0.0/24"): "of the IETF's protocols (RFC 6890)",
    IPv4Network("192.0.2.0/24"): "for documentation (RFC 5737)",
    IPv4Network("192.88.99.0/24"): "a relay of 6to4, deprecated (RFC 7526)",
    IPv4Network("192.168.0.0/16"): "private (RFC 1918)",
    IPv4Network("198.18.0.0/15"): "for benchmarks (RFC 2544)",
    IPv4Network("198.51.100.0/24"): "for documentation (RFC 5737)",
    IPv4Network("203.0.113.0/24"): "for documentation (RFC 5737)",
    IPv4Network("224.0.0.0/4"): "multicast (RFC 5771)",
    IPv4Network("255.255.255.255/32"): "broadcast (RFC 919)",
    IPv4Network("240.0.0.0/4"): "reserved (RFC 1112)",
}

_GLOBAL_UNICAST = IPv6Network("2000::/3")  # all that IANA has given out (RFC 4291 §2.4)

# What lies outside that is named for the message only.
_REFUSED_6: Mapping[IPv6Network, str] = {
    IPv6Network("::/128"): "unspecified (RFC 4291)",
    IPv6Network("::1/128"): "loopback (RFC 4291)",
    IPv6Network("::/96"): "IPv4-compatible, deprecated (RFC 4291)",
    IPv6Network("64:ff9b:1::/48"): "NAT64 of one's own network (RFC 8215)",
    IPv6Network("100::/64"): "for discarding (RFC 6666)",
    IPv6Network("2001::/32"): "Teredo (RFC 4380)",
    IPv6Network("2001:2::/48"): "for benchmarks (RFC 5180)",
    IPv6Network("2001::/23"): "of the IETF's protocols (RFC 2928)",
    IPv6Network("2001:db8::/32"): "for documentation (RFC 3849)",
    IPv6Network("2002::/16"): "6to4 (RFC 3056)",
    IPv6Network("3fff::/20"): "for documentation (RFC 9637)",
    IPv6Network("5f00::/16"): "of segment routing (RFC 9602)",
    IPv6Network("fc00::/7"): "private (RFC 4193)",
    IPv6Network("fe80::/10"): "link-local (RFC 4291)",
    IPv6Network("fec0::/10"): "private, deprecated (RFC 3879)",
    IPv6Network("ff00::/8"): "multicast (RFC 4291)",
}

# Of 2001::/23 the registry marks these as globally reachable. It marks three single addresses as
# well, the anycast ones of PCP, TURN and SRP: these stay refused, as with IPv4.
_REACHABLE_6 = (
    IPv6Network("2001:3::/32"),  # AMT (RFC 7450)
    IPv6Network("2001:4:112::/48"),  # AS112 (RFC 7535)
    IPv6Network("2001:20::/28"),  # ORCHIDv2 (RFC 7343)
    IPv6Network("2001:30::/28"),  # drone remote ID (RFC 9374)
)

# In these the last 32 bits are what is reached in the end: mapped (RFC 4291 §2.5.5.2), and NAT64
# where one's network has it (RFC 6052 §2.1).
_CARRIERS = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))


def refusal(address: str) -> str:
    """Why an address is not one of the public internet.

    What carries an IPv4 address is judged by that: IPv4-mapped, NAT64, ISATAP (RFC 5214). 6to4,
    Teredo and IPv4-compatible addresses are refused whatever they carry; the registry marks none
    of them as globally reachable. A NAT64 prefix that a network has chosen for itself from its
    global addresses looks like any other, and is not known here.

    Args:
        address: An IPv4 or IPv6 address, as `ipaddress` reads it. What it does not read is
            refused.

    Returns:
        What it is in place of a public one, such as `private (RFC 1918)`; "" where it is one.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return "no IP address"
    if isinstance(parsed, IPv4Address):
        return _refusal_4(parsed)
    if parsed.scope_id is not None:
        return "of one link only, by its scope (RFC 4007)"
    return _refusal_6(parsed)


def _refusal_4(address: IPv4Address) -> str:
    return next((what for network, what in _REFUSED_4.items() if address in network), "")


def _refusal_6(address: IPv6Address) -> str:
    if any(address in network for network in _CARRIERS):
        return _carried(address)
    if any(address in network for network in _REACHABLE_6):
        return _carried(address) if _is_isatap(address) else ""
    for network, what in _REFUSED_6.items():
        if address in network:
            return what
    if address not in _GLOBAL_UNICAST:
        return "reserved (RFC 4291)"
    return _carried(address) if _is_isatap(address) else ""


def _is_isatap(address: IPv6Address) -> bool:
    """Whether the interface identifier is 00-00-5E-FE and an IPv4 address (RFC 5214 §6.1)."""
    return int.from_bytes(address.packed[8:12], "big") & 0xFDFFFFFF == 0x5EFE  # u may be set


def _carried(address: IPv6Address) -> str:
    carried = IPv4Address(address.packed[12:])
    what = _refusal_4(carried)
    return what and f"{carried}, {what}, within IPv6"


class PublicNames(NameResolver):
    """Of the addresses of a name, those of the public internet.

    Args:
        names: Finds the addresses. An address that is given in place of a name is judged too.
    """

    def __init__(self, names: NameResolver) -> None:
        self._names = names

    @deferred
    async def addresses_of(self, host: str) -> tuple[str, ...]:
        """The public addresses of a name; see `NameResolver.addresses_of`.

        Returns:
            A Deferred with them. It fails with FetchError `address-refused` where there is none.
        """
        found = await self._names.addresses_of(host)
        judged = {address: refusal(address) for address in found}
        public = tuple(address for address, what in judged.items() if not what)
        if public:
            return public
        address, what = next(iter(judged.items()))
        which = "is" if address == host else f"leads to {address}, which is"
        raise FetchError(
            f"{shown(host)} {which} {what}; only public addresses are connected to (public_only)",
            "address-refused",
        )
