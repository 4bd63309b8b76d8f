"""Where a URL that a stranger gave may lead: public addresses, on 443 and 80, and nowhere else.

The table is our own: ``ipaddress.is_global`` says yes to NAT64, to 192.0.0.192 on older Pythons, to 6to4 and to
multicast. Sources: https://www.iana.org/assignments/iana-ipv4-special-registry,
https://www.iana.org/assignments/iana-ipv6-special-registry (both as of 2026).
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult

from omnibus.errors import Refused

PORTS = frozenset({80, 443})

_CLOSED_4 = tuple(
    IPv4Network(each)
    for each in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by carriers; holds a cloud's metadata address 100.100.100.200
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # public by its number, but a cloud's own agent answers there
        "169.254.0.0/16",  # link-local, and the metadata address 169.254.169.254
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; 192.0.0.192 is a cloud's metadata address
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays, withdrawn
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast included
    )
)
_OPEN_6 = IPv6Network("2000::/3")  # all that is given out for unicast; the rest is closed
_CLOSED_6 = tuple(
    IPv6Network(each)
    for each in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarking …
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: carries any IPv4 address
        "3ffe::/16",  # 6bone, given back
        "3fff::/20",  # documentation
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")
_NUMERIC = re.compile(r"(0x[0-9a-f]*|[0-9]+)", re.IGNORECASE)


class Forbidden(OSError):
    """Tell the connector that a name leads to an address that is not public."""


def is_public(address: str) -> bool:
    """Tell whether an IP address may be connected to for a stranger; anything that is no address may not.

    An IPv4 address inside an IPv6 one (mapped, NAT64) is judged itself.
    """
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address):
        inner = _inner(found)
        if found.scope_id is not None:
            return False
        if inner is None:
            return found in _OPEN_6 and not any(found in each for each in _CLOSED_6)
        found = inner
    return not any(found in each for each in _CLOSED_4)


def vet(url: str, trusted: Collection[str] = ()) -> None:
    """Refuse a stranger's URL that can be refused without asking the name service.

    Args:
        trusted: ``host:port`` of hosts that may be anywhere, e.g. a sandbox on loopback.

    Raises:
        Refused: no http(s), a user in it, another port, or an address that is not public (``forbidden_url``).
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise Refused("forbidden_url") from None
    if f"{host}:{port}" in trusted and parts.scheme in {"http", "https"}:
        return
    if not _fair(url, parts, host, port):
        raise Refused("forbidden_url")


def _fair(url: str, parts: SplitResult, host: str, port: int) -> bool:
    if parts.scheme not in {"http", "https"} or port not in PORTS or "@" in parts.netloc:
        return False
    if not host or not url.isascii() or re.search(r"[\s\\\x00-\x20\x7f]", url) or "%" in parts.netloc:
        return False
    if "[" in parts.netloc or _NUMERIC.fullmatch(host.rstrip(".").rpartition(".")[2]):  # a number, however it is spelt
        return is_public(host)
    return "." in host.rstrip(".")  # a bare name is one of our own network


class VettedResolver(AbstractResolver):
    """Resolve once, vet every address, and hand exactly those to the connector: no second look-up can differ."""

    def __init__(self, trusted: Collection[str] = ()) -> None:
        self._trusted = trusted

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Give all addresses of a name.

        Raises:
            Forbidden: one of them is not public.
        """
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        if f"{host}:{port}" not in self._trusted and not all(is_public(str(each[4][0])) for each in found):
            raise Forbidden(host)
        return [
            ResolveResult(
                hostname=host, host=str(address[0]), port=port, family=kind, proto=proto,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, proto, _, address in found
        ]  # fmt: skip

    async def close(self) -> None:
        """Hold nothing."""


def _inner(address: IPv6Address) -> IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None
