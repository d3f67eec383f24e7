"""Where a URL leads, and refusal of every spelling of an address that nobody may call.

A gateway follows these URLs from inside the cluster, with a key in hand: a URL that leads to a
cloud's metadata service hands out the node's identity (server-side request forgery). What a name
resolves to can't be known here: that is for network policy and for whoever connects.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from bailiwick_contract.errors import BailiwickError

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)\Z")
_NUMERIC_LABEL = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)\Z")
_PATH = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@-]+)*/?\Z")
_PRINTABLE = re.compile(r"[!-~]+\Z")
_MAX_URL = 2048
_MAX_HOST = 253
_MAX_PORT = 65535

_FORBIDDEN_NAMES = frozenset(
    {"metadata", "metadata.google.internal", "instance-data", "instance-data.ec2.internal"}
)
_FORBIDDEN_NETWORKS = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",  # "this" network (RFC 1122)
        "169.254.0.0/16",  # link-local, and most clouds' metadata (RFC 3927)
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and the broadcast address
        "100.100.100.200/32",  # metadata of one cloud
        "168.63.129.16/32",  # host agent of another
        "192.0.0.192/32",  # metadata of a third
        "::/128",  # unspecified
        "fe80::/10",  # link-local
        "fec0::/10",  # site-local, deprecated (RFC 3879)
        "ff00::/8",  # multicast
        "fd00:ec2::/32",  # metadata over IPv6: fd00:ec2::254
        "fd20:ce::254/128",  # as above, another cloud
    )
)
_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
_COMPATIBLE = IPv6Network("::/96")


class AddressError(BailiwickError):
    """A URL that no gateway may follow; `cure` says what to write instead."""

    def __init__(self, message: str, *, cure: str) -> None:
        super().__init__(message)
        self.cure = cure


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The parts of a URL. `host` is lower-case, IPv6 without brackets; `path` has no last slash."""

    tls: bool
    host: str
    port: int
    path: str

    @property
    def loopback(self) -> bool:
        """True where nothing leaves the machine."""
        if self.host == "localhost":
            return True
        address = _literal(self.host)
        return address is not None and address.is_loopback


def parse_url(url: str, *, query: bool = False) -> Endpoint:
    """The endpoint of an absolute http or https URL; `query` says whether it may have a query.

    Raises:
        AddressError: it is no such URL, carries something else than scheme, host, port and path,
            or leads to an address that is link-local, unspecified, multicast or a cloud's
            metadata service, in any spelling.
    """
    if len(url) > _MAX_URL or not _PRINTABLE.match(url) or "\\" in url:
        raise AddressError(
            "it is empty, too long or has a character that no URL may have",
            cure="write it like https://api.example.com/v1, a name with other letters in Punycode",
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise AddressError(
            f"it is no URL ({error})", cure="write it like https://host/v1"
        ) from error
    scheme = parts.scheme.lower()
    if scheme not in {"http", "https"}:
        raise AddressError("its scheme is not https", cure="write it like https://host/v1")
    if "@" in parts.netloc:
        raise AddressError(
            "it carries a user name or password", cure="use credentials and remove what is before @"
        )
    if "#" in url or ("?" in url and not query):
        raise AddressError("it has a query or a fragment", cure="end it with the path")
    if port == 0 or parts.netloc.endswith(":"):
        raise AddressError("its port is no port", cure=f"use 1 to {_MAX_PORT}, or leave it out")
    if not _PATH.match(parts.path) or {".", ".."} & set(parts.path.split("/")):
        raise AddressError(
            "its path is not in plain form", cure="write the path without //, .., . and %"
        )
    tls = scheme == "https"
    return Endpoint(
        tls=tls,
        host=_host(parts.hostname or "", bracketed="[" in parts.netloc),
        port=port or (443 if tls else 80),
        path=parts.path.rstrip("/"),
    )


def host_of(text: str) -> str:
    """A host alone, in the form in which `parse_url` gives it.

    Raises:
        AddressError: as `parse_url`.
    """
    if not text.isascii() or not text.isprintable() or " " in text:
        raise AddressError("it is no host name", cure="write it like api.example.com")
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    return _host(bare.lower(), bracketed=":" in bare)


def _host(host: str, *, bracketed: bool) -> str:
    literal = _literal(host)
    if literal is not None:
        if any(_forbidden(address) for address in _meant(literal)):
            raise AddressError(
                f"{host} is an address that no gateway may call (link-local, metadata, "
                "unspecified or multicast)",
                cure="name the provider's own host",
            )
        mapped = literal.ipv4_mapped if isinstance(literal, IPv6Address) else None
        return str(mapped or literal)
    labels = host.split(".")
    if (
        bracketed
        or len(host) > _MAX_HOST
        or not all(_LABEL.match(label) for label in labels)
        or _NUMERIC_LABEL.match(labels[-1])
    ):
        # Resolvers read 2852039166, 0xA9FEA9FE, 0251.0376.0251.0376 and 169.254.43518 as
        # addresses; none is how anybody writes one, so all such spellings are refused.
        raise AddressError(
            "its host is neither a name nor an address in its usual form",
            cure="write a name such as api.example.com, without a last dot, "
            "or an address such as 192.0.2.1 or [2001:db8::1]",
        )
    if host in _FORBIDDEN_NAMES:
        raise AddressError(
            f"{host} is a cloud's metadata service", cure="name the provider's own host"
        )
    return host


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    if "%" in host:
        return None
    try:
        return ip_address(host)
    except ValueError:
        return None


def _meant(address: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """The address and every IPv4 address that it stands for."""
    if isinstance(address, IPv4Address):
        return [address]
    embedded: list[IPv4Address | IPv6Address] = [address]
    low = IPv4Address(int(address) & 0xFFFFFFFF)
    if address.ipv4_mapped is not None:
        embedded.append(address.ipv4_mapped)
    if address.sixtofour is not None:
        embedded.append(address.sixtofour)
    if address.teredo is not None:
        embedded.extend(address.teredo)
    if any(address in network for network in _NAT64) or (
        address in _COMPATIBLE and not address.is_loopback
    ):
        embedded.append(low)
    return embedded


def _forbidden(address: IPv4Address | IPv6Address) -> bool:
    return any(
        address in network for network in _FORBIDDEN_NETWORKS if network.version == address.version
    )
