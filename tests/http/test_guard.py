"""Only public addresses are connected to, however they are spelt and whatever leads to them."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import assume, given, settings, strategies as st

from toolkit.http.failures import FetchError
from toolkit.http.guard import PublicNames, refusal
from toolkit.http.resolving import KnownNames
from toolkit.testing import result_of

# Each block of iana-ipv4-special-registry and iana-ipv6-special-registry that is not marked as
# globally reachable, and of the address space registries what is not for unicast.
REFUSED = """
    0.0.0.0/8 0.0.0.0/32 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12
    192.0.0.0/24 192.0.0.0/29 192.0.0.8/32 192.0.0.170/32 192.0.0.171/32 192.0.2.0/24
    192.88.99.0/24 192.88.99.2/32 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24
    224.0.0.0/4 240.0.0.0/4 255.255.255.255/32
    192.0.0.9/32 192.0.0.10/32
    ::1/128 ::/128 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001::/32 2001:2::/48
    2001:10::/28 2001:db8::/32 2002::/16 3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8
    2001:1::1/128 2001:1::2/128 2001:1::3/128
    ::/96 ::ffff:0:0:0/96 ::/8 200::/7 4000::/3 e000::/4 f000::/5
"""

PUBLIC = """
    192.31.196.0/24 192.52.193.0/24 192.175.48.0/24
    2001:3::/32 2001:4:112::/48 2001:20::/28 2001:30::/28 2620:4f:8000::/48
    1.0.0.0/24 8.8.8.0/24 9.255.255.0/24 11.0.0.0/24 100.63.255.0/24 100.128.0.0/24 126.255.255.0/24
    128.0.0.0/24 169.253.255.0/24 169.255.0.0/24 172.15.255.0/24 172.32.0.0/24 192.0.1.0/24
    192.0.3.0/24 192.88.98.0/24 192.167.255.0/24 192.169.0.0/24 198.17.255.0/24 198.20.0.0/24
    198.51.99.0/24 203.0.114.0/24 223.255.255.0/24
    2001:200::/32 2001:db7:ffff::/48 2001:db9::/32 2003::/16 2606:4700::/32 2a00::/16 3ffe::/16
    3fff:1000::/20
"""


@pytest.mark.parametrize("block", REFUSED.split())
def test_each_special_block_is_refused_to_its_ends(block: str) -> None:
    network = ip_network(block)
    for address in (network[0], network[-1], network[network.num_addresses // 2]):
        assert refusal(str(address)), address


@pytest.mark.parametrize("block", PUBLIC.split())
def test_what_lies_beside_them_is_public(block: str) -> None:
    network = ip_network(block)
    assert [refusal(str(address)) for address in (network[0], network[-1])] == ["", ""]


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("127.0.0.1", "loopback"),
        ("10.1.2.3", "private"),
        ("169.254.169.254", "link-local"),
        ("::ffff:169.254.169.254", "169.254.169.254, link-local .*, within IPv6"),
        ("64:ff9b::7f00:1", "127.0.0.1, loopback .*, within IPv6"),
        ("2001:db9::5efe:10.0.0.1", "10.0.0.1, private .*, within IPv6"),
        ("2001:db9::200:5efe:10.0.0.1", "10.0.0.1, private .*, within IPv6"),
        ("::127.0.0.1", "IPv4-compatible"),
        ("2002:7f00:1::", "6to4"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "Teredo"),
        ("fe80::1%eth0", "of one link only"),
        ("2606:4700::1%2", "of one link only"),
        ("255.255.255.255", "broadcast"),
        ("240.0.0.1", "reserved"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("64:ff9b:1::1", "NAT64 of one's own"),
        ("100::1", "for discarding"),
        ("2001:2::1", "for benchmarks"),
        ("5f00::1", "of segment routing"),
        ("fd00::1", "private"),
        ("fe80::1", "link-local"),
        ("fec0::1", "private, deprecated"),
        ("ff02::1", "multicast"),
        ("4000::1", "reserved"),
        ("0x7f.1", "no IP address"),
        ("0177.0.0.1", "no IP address"),
        ("example.org", "no IP address"),
        ("", "no IP address"),
    ],
)
def test_a_refusal_says_what_it_is(address: str, what: str) -> None:
    assert re.match(what, refusal(address))


V4 = st.ip_addresses(v=4)
NEAR = st.sampled_from([n for n in REFUSED.split() if ":" not in n]).flatmap(
    lambda block: st.ip_addresses(network=ip_network(block))
)
PREFIX = st.ip_addresses(v=6, network="2a00::/16").map(lambda address: int(address) >> 64)


def embedded(v4: IPv4Address, prefix: int) -> dict[str, IPv6Address]:
    number = int(v4)
    rest = prefix & 0xFFFF_FFFF
    forms = {
        "mapped": 0xFFFF << 32 | number,
        "NAT64": 0x64_FF9B << 96 | number,
        "ISATAP": prefix << 64 | 0x5EFE << 32 | number,
        "ISATAP, global": prefix << 64 | 0x0200_5EFE << 32 | number,
        "compatible": number,
        "translated": 0xFFFF << 48 | number,
        "NAT64, local": 0x64_FF9B_0001 << 80 | rest << 32 | number,
        "6to4": 0x2002 << 112 | number << 80 | rest,
        "Teredo, server": 0x2001 << 112 | number << 64 | rest << 32,
        "Teredo, client": 0x2001 << 112 | rest << 64 | number ^ 0xFFFF_FFFF,
    }
    return {form: IPv6Address(value) for form, value in forms.items()}


JUDGED_BY_WHAT_THEY_CARRY = ("mapped", "NAT64", "ISATAP", "ISATAP, global")


@settings(max_examples=50)
@given(NEAR, PREFIX)
def test_whatever_carries_a_refused_address_is_refused(v4: IPv4Address, prefix: int) -> None:
    assert refusal(str(v4))
    for form, address in embedded(v4, prefix).items():
        assert refusal(str(address)), form


@settings(max_examples=50)
@given(V4, PREFIX)
def test_what_carries_a_public_address_is_public_where_the_form_is(
    v4: IPv4Address, prefix: int
) -> None:
    assume(not refusal(str(v4)))
    for form, address in embedded(v4, prefix).items():
        assert bool(refusal(str(address))) == (form not in JUDGED_BY_WHAT_THEY_CARRY), form


@given(st.ip_addresses())
def test_what_python_knows_not_to_be_global_is_refused(address: IPv4Address | IPv6Address) -> None:
    carried = address.version == 6 and int(address) >> 32 in (0xFFFF, 0x64_FF9B << 64)
    assume(not carried and address not in ip_network("2001::/23"))  # where its versions differ
    if address.is_private or address.is_multicast or address.is_reserved:
        assert refusal(str(address))


def of(*addresses: str) -> PublicNames:
    return PublicNames(KnownNames(addresses))


def test_of_several_addresses_only_the_public_ones_are_left() -> None:
    names = of("10.0.0.1", "2a00::1", "::1", "8.8.8.8")
    assert result_of(names.addresses_of("a.example")) == ("2a00::1", "8.8.8.8")


@pytest.mark.parametrize(
    ("host", "addresses", "message"),
    [
        ("a.example", ("10.0.0.1", "::1"), r"a\.example leads to 10\.0\.0\.1, which is private"),
        ("::1", ("::1",), "^::1 is loopback .*; only public addresses .* \\(public_only\\)$"),
    ],
)
def test_where_none_is_left_the_name_is_refused(
    host: str, addresses: tuple[str, ...], message: str
) -> None:
    with pytest.raises(FetchError, match=message) as caught:
        result_of(of(*addresses).addresses_of(host))
    assert caught.value.code == "address-refused"
