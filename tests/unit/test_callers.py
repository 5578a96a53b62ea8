"""The caller of a lookup: no header makes it another caller."""

import hashlib
import ipaddress
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.http.callers.client_address import UNKNOWN, address_of, is_forwarded_by_a_stranger, partner_of

GATEWAY, EDGE, CALLER = "10.0.0.1", "10.9.9.9", "203.0.113.7"
TRUSTED = [ipaddress.ip_network(network) for network in ("10.0.0.0/8", "2001:db8:ffff::/48")]
PARTNERS = {name: hashlib.sha256(f"key of {name}".encode()).digest() for name in ("acme", "globex")}

entries = st.one_of(
    st.ip_addresses().map(str), st.text(st.characters(max_codepoint=255, exclude_characters=","), max_size=20)
)
lines = st.lists(st.lists(entries, max_size=4).map(",".join), max_size=3)


@pytest.mark.parametrize("forwarded", [[], ["198.51.100.1"], ["198.51.100.1, 10.0.0.1", GATEWAY], ["::1"]])
def test_nobody_is_believed_who_is_not_trusted(forwarded: Sequence[str]) -> None:
    """A caller that connects directly is known by its address, whatever its headers say."""
    assert address_of(CALLER, forwarded, TRUSTED) == CALLER
    assert address_of(CALLER, forwarded, []) == CALLER


@pytest.mark.parametrize(
    ("forwarded", "caller"),
    [
        ([], GATEWAY),
        ([CALLER], CALLER),
        ([f"198.51.100.1, {CALLER}"], CALLER),
        (["198.51.100.1", CALLER], CALLER),
        ([f"198.51.100.1,{CALLER}", EDGE], CALLER),
        ([f"198.51.100.1, {CALLER} ,\t{EDGE} "], CALLER),
        ([f"{EDGE}, {CALLER}"], CALLER),
        ([f"{GATEWAY}, {EDGE}"], GATEWAY),
        ([f"{CALLER}:54321"], CALLER),
        ([f"[{CALLER}]:54321"], CALLER),
        (["2001:db8:1:2:3:4:5:6"], "2001:db8:1:2::/64"),
        (["[2001:db8:1:2:3:4:5:6]"], "2001:db8:1:2::/64"),
        (["[2001:db8:1:2:3:4:5:6]:443"], "2001:db8:1:2::/64"),
        ([f"{CALLER}, 2001:db8:ffff::1"], CALLER),
        ([f"::ffff:{CALLER}"], CALLER),
        ([f"{CALLER}, ::ffff:{EDGE}"], CALLER),
        (["fe80::1%eth0"], "fe80::/64"),
    ],
)
def test_the_first_who_is_not_trusted(forwarded: Sequence[str], caller: str) -> None:
    """Behind proxies the caller is the right-most address that is none of theirs, in any spelling."""
    assert address_of(GATEWAY, forwarded, TRUSTED) == caller
    assert address_of(f"::ffff:{GATEWAY}", forwarded, TRUSTED) == caller


@pytest.mark.parametrize(
    "garbage",
    ["", "unknown", "_hidden", "1.2.3", "1.2.3.4.5", "203.0.113.07", "1.2.3.4:", "1.2.3.4:x", "[::1", "٣.1.1.1"],
)
def test_garbage_ends_the_reading(garbage: str) -> None:
    """Entries left of one that is no address do not count: the proxy that passed it on is the caller."""
    assert address_of(GATEWAY, [f"{CALLER}, {garbage}"], TRUSTED) == GATEWAY
    assert address_of(GATEWAY, [CALLER, f"{garbage},{EDGE}"], TRUSTED) == EDGE


@pytest.mark.parametrize("peer", [None, "", "testclient"])
def test_no_address_at_all(peer: str | None) -> None:
    """Callers without an address are one, and are not believed either."""
    assert address_of(peer, [CALLER], TRUSTED) == UNKNOWN


@given(lines)
def test_what_a_caller_writes_never_matters(written: list[str]) -> None:
    """The proxy's own entry decides, whatever the caller sent."""
    assert address_of(GATEWAY, [*written, CALLER], TRUSTED) == CALLER
    assert address_of(GATEWAY, [",".join([*written, CALLER])], TRUSTED) == CALLER


@given(st.integers(1, 2**63), st.integers(0, 2**64 - 1))
def test_an_ipv6_customer_is_one_caller(network: int, host: int) -> None:
    """All addresses of one /64 are one caller, those of the next one another."""
    first, same, other = [
        ipaddress.IPv6Address(number) for number in (network << 64, (network << 64) + host, (network + 1 << 64) + host)
    ]
    assert address_of(str(first), [], []) == address_of(str(same), [], []) != address_of(str(other), [], [])


@pytest.mark.parametrize(
    ("key", "name"),
    [("key of acme", "acme"), ("key of globex", "globex"), ("key of nobody", None), ("", None), ("\xff", None)],
)
def test_partners(key: str, name: str | None) -> None:
    """A partner is known by its key and by nothing else."""
    assert partner_of(key, PARTNERS) == name


def test_the_hash_is_no_key() -> None:
    """A reader of the configuration cannot pass for a partner."""
    assert partner_of(PARTNERS["acme"].hex(), PARTNERS) is None


@pytest.mark.parametrize(
    ("peer", "forwarded", "strange"),
    [
        ("10.4.0.1", ["198.51.100.1"], False),
        ("10.5.0.1", ["198.51.100.1"], True),
        (None, ["198.51.100.1"], True),
        ("10.5.0.1", [], False),
    ],
)
def test_forwarding_by_strangers(peer: str | None, forwarded: list[str], *, strange: bool) -> None:
    """A forwarding header of a peer that is not trusted is known as such; without a header nothing is strange."""
    assert is_forwarded_by_a_stranger(peer, forwarded, [ipaddress.ip_network("10.4.0.0/24")]) is strange
