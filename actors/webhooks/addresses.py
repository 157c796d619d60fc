"""Which addresses a worker may connect to: public ones on the usual ports, and what the deployment allows.

URLs of endpoints come from customers. Without this rule they could make a worker speak to whatever it can reach:
databases, cloud metadata, admin pages on loopback (server-side request forgery, OWASP: SSRF Prevention Cheat Sheet).
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

#: What ``is_global`` of the standard library lets through and nobody's webhook endpoint is: IETF protocol assignments
#: (RFC 6890), 6to4 relays (RFC 7526), and the address of the Azure host, which answers guests about themselves.
_NOT_PUBLIC_V4 = tuple(ip_network(each) for each in ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32"))

#: The only IPv6 addresses that are given to hosts on the Internet (RFC 4291, IANA "IPv6 Global Unicast").
_UNICAST_V6 = ip_network("2000::/3")

#: Within them, what carries an IPv4 address that may be anything, or is no host's: Teredo and other IETF protocol
#: assignments (2001::/23), 6to4, documentation. NAT64 (64:ff9b::/96, 64:ff9b:1::/48) lies outside of 2000::/3.
_NOT_PUBLIC_V6 = tuple(ip_network(each) for each in ("2001::/23", "2002::/16", "2001:db8::/32", "3fff::/20"))


def is_public(address: Address) -> bool:
    """Whether ``address`` is one of a single host on the Internet."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        inside = address in _UNICAST_V6 and not any(address in network for network in _NOT_PUBLIC_V6)
    else:
        inside = not any(address in network for network in _NOT_PUBLIC_V4)
    return inside and address.is_global and not address.is_multicast and not address.is_reserved


@dataclass(frozen=True, slots=True)
class Allowed:
    """Addresses that are allowed although they are not public. ``port`` None: every port."""

    network: Network
    port: int | None

    @classmethod
    def parse(cls, text: str) -> Allowed:
        """``10.0.0.0/8:8080``, ``[fd00::]/8:*`` or ``fd00::/8:443``.

        Raises: ValueError saying what is expected.
        """
        network, colon, port = text.strip().rpartition(":")
        try:
            if not colon or "/" not in network:
                raise ValueError
            number = None if port == "*" else int(port)
            if number is not None and not 1 <= number <= 65535:
                raise ValueError
            return cls(ip_network(network.replace("[", "").replace("]", "")), number)
        except ValueError:
            raise ValueError(
                f"{text.strip()!r} is not NETWORK/BITS:PORT or NETWORK/BITS:*, such as 10.0.0.0/8:8080"
            ) from None

    def includes(self, address: Address, port: int) -> bool:
        """Whether connecting to ``address`` and ``port`` is allowed by this."""
        return (self.port is None or self.port == port) and address in self.network


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """What a deployment lets its workers connect to.

    Args:
        ports: of public addresses.
        plain_http: whether http is spoken to public addresses; to those in ``allowed`` it may always be.
        allowed: exceptions from all of it.
    """

    ports: frozenset[int] = frozenset({80, 443})
    plain_http: bool = False
    allowed: tuple[Allowed, ...] = ()

    def refusal(self, address: Address, port: int, *, plain: bool) -> str | None:
        """Why nobody may connect to ``address`` and ``port``; None when it is allowed. ``plain``: without TLS."""
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if any(each.includes(address, port) for each in self.allowed):
            return None
        if not is_public(address):
            return "it is not a public address"
        if port not in self.ports:
            return f"port {port} is not allowed"
        if plain and not self.plain_http:
            return "http is not allowed: use https"
        return None

    def refusal_by_url(self, host: str, port: int, *, plain: bool) -> str | None:
        """As :meth:`refusal`, as far as it can be said without asking DNS: for a first look when a URL is given."""
        try:
            return self.refusal(ip_address(host.strip("[]")), port, plain=plain)
        except ValueError:
            pass  # a name
        if any(each.port in (None, port) for each in self.allowed):
            return None
        if port not in self.ports:
            return f"port {port} is not allowed"
        return "http is not allowed: use https" if plain and not self.plain_http else None
