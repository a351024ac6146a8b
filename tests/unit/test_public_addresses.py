"""Which addresses are public, compared with a second copy of the registries."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import pytest

from chalicelib.webhooks.outbound.public_addresses import NOT_PUBLIC_IPV4, NOT_PUBLIC_IPV6, IPNetwork, is_in, is_public

REGISTERED = """
0.0.0.0/8 0.0.0.0/32 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 168.63.129.16/32 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24
192.0.0.0/29 192.0.0.8/32 192.0.0.9/32 192.0.0.10/32 192.0.0.170/32 192.0.0.171/32 192.0.2.0/24 192.31.196.0/24
192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4
240.0.0.0/4 255.255.255.255/32 ::1/128 ::/128 ::/96 ::ffff:0:0/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64
2001::/23 2001::/32 2001:1::1/128 2001:1::2/128 2001:1::3/128 2001:2::/48 2001:3::/32 2001:4:112::/48 2001:10::/28
2001:20::/28 2001:30::/28 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10
ff00::/8
"""
PUBLIC = """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 93.184.216.34 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0
168.63.129.15 168.63.129.17 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 192.0.3.0 192.167.255.255
192.169.0.0 198.17.255.255 198.20.0.0 203.0.112.255 203.0.114.0 223.255.255.255 2001:200:: 2001:4860:4860::8888
2001:db7:ffff:: 2001:db9:: 2003:: 2400:cb00:2048:1::1 2606:4700::1111 2a00:1450:4001::
"""


@pytest.mark.parametrize("registered", REGISTERED.split())
def test_no_address_of_a_special_network_is_public(registered: str) -> None:
    network = ip_network(registered)
    refused = NOT_PUBLIC_IPV4 if isinstance(network, IPv4Network) else NOT_PUBLIC_IPV6
    assert any(network.subnet_of(each) for each in refused)  # type: ignore[arg-type]
    for address in (network[0], network[-1], network[network.num_addresses // 2]):
        assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC.split())
def test_addresses_next_to_special_networks_are_public(address: str) -> None:
    assert is_public(ip_address(address))


def test_only_the_global_unicast_space_of_ipv6_is_public() -> None:
    for first in range(0x10000):
        address = IPv6Address(first << 112 | 0xFFFF)
        assert is_public(address) <= (first >> 13 == 0b001)


@pytest.mark.parametrize(
    "template",
    ["::{}", "::ffff:{}", "::ffff:0:{}", "64:ff9b::{}", "64:ff9b:1::{}", "2002:{hex}::1", "2001:0:{hex}::1"],
)
@pytest.mark.parametrize("inner", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "8.8.8.8"])
def test_an_address_that_maps_to_an_ipv4_address_is_never_public(template: str, inner: str) -> None:
    number = int(IPv4Address(inner))
    written = template.format(inner, hex=f"{number >> 16:x}:{number & 0xFFFF:x}")
    assert not is_public(IPv6Address(written))


def test_an_ipv4_network_contains_no_mapped_address() -> None:
    loopback: list[IPNetwork] = [IPv4Network("127.0.0.0/8"), IPv6Network("::1/128")]
    assert is_in(IPv4Address("127.9.9.9"), loopback)
    assert is_in(IPv6Address("::1"), loopback)
    assert not is_in(IPv6Address("::ffff:127.0.0.1"), loopback)
