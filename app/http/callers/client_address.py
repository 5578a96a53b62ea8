"""The caller of a lookup: its address behind the proxies we trust, or a partner known by its key. Pure."""

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

UNKNOWN = "unknown"
"""All callers without an address, as on a Unix socket, count as one."""
HOST_BITS = 64
"""The bits of an IPv6 address that its holder can choose."""
_WITH_PORT = re.compile(r"(?P<v4>[0-9.]+):[0-9]{1,5}|\[(?P<v6>[^\]]+)\](:[0-9]{1,5})?")


def address_of(peer: str | None, forwarded: Iterable[str], trusted: Sequence[Network]) -> str:
    """The caller's address: IPv4, or the /64 of IPv6.

    `forwarded` are the `X-Forwarded-For` lines in their order. They are read from the right, each entry only if the
    proxy that wrote it is trusted, so that no caller can name its own address.
    """
    caller = _address(peer or "")
    for hop in reversed([hop for line in forwarded for hop in line.split(",")]):
        behind = _address(hop) if _is_in(trusted, caller) else None
        if behind is None:
            break
        caller = behind
    return _named(caller)


def is_forwarded_by_a_stranger(peer: str | None, forwarded: Sequence[str], trusted: Sequence[Network]) -> bool:
    """Whether a forwarding header came from an untrusted peer, so that it does not count."""
    return bool(forwarded) and not _is_in(trusted, _address(peer or ""))


def partner_of(key: str, partners: Mapping[str, bytes]) -> str | None:
    """The name of the partner with this key (a header's value), in a time that tells nothing about any key."""
    digest = hashlib.sha256(key.encode("latin-1")).digest()
    names = [name for name, expected in partners.items() if hmac.compare_digest(digest, expected)]
    return names[0] if names else None


def _is_in(networks: Sequence[Network], address: Address | None) -> bool:
    return address is not None and any(address in network for network in networks)


def _address(hop: str) -> Address | None:
    text = hop.strip()
    match = _WITH_PORT.fullmatch(text)
    try:
        address = ipaddress.ip_address((match["v4"] or match["v6"]) if match else text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _named(address: Address | None) -> str:
    if isinstance(address, ipaddress.IPv6Address):
        return f"{ipaddress.IPv6Address(int(address) >> HOST_BITS << HOST_BITS)}/{HOST_BITS}"
    return str(address) if address else UNKNOWN
