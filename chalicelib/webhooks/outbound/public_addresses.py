"""Which IP addresses can be reached from the whole internet. Webhooks are not sent to any others.

The lists are our own, because `ipaddress.is_global` differs between Python versions and accepts addresses that a
translator maps to an IPv4 address (NAT64, 6to4, IPv4-compatible). Sources, as of November 2026: IANA's IPv4 and IPv6
Special-Purpose Address Registries, and for IPv6 the IANA address space, of which only 2000::/3 is assigned for public
use. One public-looking address is in neither: it is a cloud's own. Anycast services inside these blocks (AS112, PCP,
TURN) are refused as well: none of them accepts webhooks.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

NOT_PUBLIC_IPV4 = tuple(
    IPv4Network(each)
    for each in (
        "0.0.0.0/8",  # this host on this network (RFC 791); Linux connects 0.0.0.0 to itself
        "10.0.0.0/8",  # private use (RFC 1918)
        "100.64.0.0/10",  # shared address space of carriers (RFC 6598); some clouds keep their metadata there
        "127.0.0.0/8",  # loopback (RFC 1122)
        "168.63.129.16/32",  # not registered: the host of every machine in a large cloud, which has its metadata
        "169.254.0.0/16",  # link-local (RFC 3927); the metadata and credentials of most clouds
        "172.16.0.0/12",  # private use (RFC 1918)
        "192.0.0.0/24",  # IETF protocol assignments (RFC 6890); NAT64 discovery, another cloud's metadata
        "192.0.2.0/24",  # documentation (RFC 5737)
        "192.31.196.0/24",  # AS112, version 4 (RFC 7535)
        "192.52.193.0/24",  # automatic multicast tunnelling (RFC 7450)
        "192.88.99.0/24",  # relays of 6to4, deprecated (RFC 7526)
        "192.168.0.0/16",  # private use (RFC 1918)
        "192.175.48.0/24",  # AS112, direct delegation (RFC 7534)
        "198.18.0.0/15",  # benchmarks (RFC 2544)
        "198.51.100.0/24",  # documentation (RFC 5737)
        "203.0.113.0/24",  # documentation (RFC 5737)
        "224.0.0.0/4",  # multicast (RFC 5771)
        "240.0.0.0/4",  # reserved (RFC 1112), with the limited broadcast 255.255.255.255 (RFC 919)
    )
)
NOT_PUBLIC_IPV6 = tuple(
    IPv6Network(each)
    for each in (
        # Below 2000::/3. Unspecified :: and loopback ::1 (RFC 4291), IPv4-compatible ::/96 (RFC 4291), IPv4-mapped
        # ::ffff:0:0/96, NAT64 64:ff9b::/96 (RFC 6052) and 64:ff9b:1::/48 (RFC 8215), discard 100::/64 (RFC 6666).
        "::/3",
        "2001::/23",  # IETF protocol assignments (RFC 2928): Teredo, benchmarks, ORCHID, drone ids, AS112
        "2001:db8::/32",  # documentation (RFC 3849)
        "2002::/16",  # 6to4: a relay maps it to an IPv4 address (RFC 3056)
        "2620:4f:8000::/48",  # AS112, direct delegation (RFC 7534)
        "3ffe::/16",  # the former 6bone (RFC 3701)
        "3fff::/20",  # documentation (RFC 9637)
        # Above 2000::/3. Segment routing 5f00::/16 (RFC 9602).
        "4000::/2",
        # Unique local fc00::/7 (RFC 4193), with a cloud's metadata at fd00:ec2::254; link-local fe80::/10, site-local
        # fec0::/10 (RFC 3879), multicast ff00::/8 (RFC 4291).
        "8000::/1",
    )
)


def is_public(address: IPAddress) -> bool:
    """Whether the address can be reached from the whole internet."""
    return not is_in(address, NOT_PUBLIC_IPV4 if address.version == 4 else NOT_PUBLIC_IPV6)


def is_in(address: IPAddress, networks: Sequence[IPNetwork]) -> bool:
    """Whether one of the networks contains the address. An IPv6 address is never in an IPv4 network, mapped or not."""
    return any(address in network for network in networks)
