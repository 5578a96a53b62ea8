"""What the file of shops may say, what becomes of one that cannot be used, and of shops that come and go."""

import asyncio
import contextlib
import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app.domain import Policy
from app.settings import SettingsError
from app.shops import REST_SECONDS, Shops, UnusableShopsFile, read_shops
from app.telemetry.metrics import REGISTRY, SHOPS_FILE_FAULTS
from tests.support.processes import eventually
from tests.support.shops import shops

HASH, OTHER_HASH, HASH_OF_ALL = (hashlib.sha256(each).hexdigest() for each in (b"key", b"other key", b"key of all"))
WHOLE = f"""
[shops.mode]
origins = ["https://mode.example"]
partners = {{ acme = "{HASH}" }}
shop_keys = {{ warehouse = "{OTHER_HASH}" }}
lookup_limit = 7
partner_lookup_limit = 70
currency = "EUR"
upstream_url = "https://proxy.mode.example/api/v2/"
service_points_url = "https://points.mode.example/api/v2"
policy = {{ refused_reasons = [11], excluded_products = [" 1234 "], excluded_names = ["Gift  Card"] }}

[shops.buch]
"""
FAULTS = {
    '[shops.mode]\ncolour = "secret"': "shops.mode.colour: Extra inputs are not permitted",
    "[shops.mode]\npolicy = { window = 14 }": "shops.mode: a window of the policy counts from deliveries",
    "[shops.mode]\npolicy = { window = 0 }": "shops.mode.policy.window: Input should be greater than or equal to 1",
    '[shops.Mode]\ncurrency = "EUR"': "shops.Mode: a brand is its domain label: lower-case letters, digits and inner",
    '[shops.mode]\norigins = ["https://secret.example/"]': "shops.mode.origins.0: an origin is scheme://host[:port]",
    '[shops.mode.partners]\nacme = "secret"': "shops.mode.partners.acme: a partner's value is the sha256 of its key",
    f'[shops.mode.partners]\na = "{HASH}"\nb = "{HASH}"': "shops.mode.partners.b: shops.mode.partners.a has this key",
    f'[shops.mode]\npartners = {{a = "{HASH}"}}\nshop_keys = {{a = "{HASH}"}}': (
        "shops.mode.shop_keys.a: shops.mode.partners.a has this key"
    ),
    f'[shops.a.partners]\nx = "{HASH}"\n[shops.b.partners]\nx = "{HASH}"': (
        "shops.b.partners.x: shops.a.partners.x has this key"
    ),
    f'[shops.a.shop_keys]\nx = "{HASH}"\n[shops.b.shop_keys]\ny = "{HASH}"': (
        "shops.b.shop_keys.y: shops.a.shop_keys.x has this key"
    ),
    f'[shops.a.partners]\nx = "{HASH_OF_ALL}"': "shops.a.partners.x: BFF_PARTNERS has this key",
    f'[shops.a.shop_keys]\nx = "{HASH_OF_ALL}"': "shops.a.shop_keys.x: BFF_PARTNERS has this key",
    "[shops.mode]\nlookup_limit = 0": "shops.mode.lookup_limit: Input should be greater than or equal to 1",
    f"[shops.mode]\nlookup_limit = {10**18}": "shops.mode.lookup_limit: Input should be less than or equal to",
    '[shops.mode]\ncurrency = "secret"': "shops.mode.currency: String should match pattern",
    '[shops.mode]\nupstream_url = "http://secret.example"': "shops.mode.upstream_url: plain http is allowed",
    '[shops.mode.policy]\nrefused_reasons = ["secret"]': "shops.mode.policy.refused_reasons.0: Input should be a valid",
    "[shops.mode.policy]\nrefused_reasons = [true]": "shops.mode.policy.refused_reasons.0: Input should be a valid",
    "[shops.mode.policy]\naccepted_reasons = []": "shops.mode.policy.accepted_reasons: ",
    "[shops.mode.policy]\naccepted_reasons = [1]\nrefused_reasons = [2]": (
        "shops.mode.policy: either accepted_reasons or refused_reasons"
    ),
    "[shops.mode.policy]\nexcluded_products = [1234]": "shops.mode.policy.excluded_products.0: Input should be a valid",
    '[shops.mode.policy]\nexcluded_products = [" None"]': "shops.mode.policy.excluded_products.0: a product has an id;",
    '[shops.mode.policy]\nexcluded_products = [""]': "shops.mode.policy.excluded_products.0: a product has an id;",
    '[shops.mode.policy]\nexcluded_names = [" "]': "shops.mode.policy.excluded_names.0: a product has a name",
    '[shops.mode]\npolicy = "secret"': "shops.mode.policy: Input should be a valid dictionary or instance of Policy",
    "[shops.mode": "is not TOML (at end of document)",
    "[shops.mode]\n[shops.mode]": "is not TOML (at line 2, column 12)",
    "": "shops: Field required",
    f"[shops.mode]\nlookup_limit = {'9' * 5000}": "has a number that is too long",
    f"shops = {'[' * 5000}": "has a number that is too long, or values that are nested too deeply",
    '[shops."mode\\nsecond line"]': r"shops.'mode\nsecond line': a brand is its domain label",
}


@pytest.fixture(name="file")
def shops_file(tmp_path: Path) -> Path:
    """A file with two shops, before anything was wrong with one."""
    SHOPS_FILE_FAULTS.set(0)
    path = tmp_path / "shops.toml"
    path.write_text(WHOLE)
    return path


def test_an_entry_decides_what_it_says(file: Path) -> None:
    """The members of an entry hold for its shop; those that it leaves out are as in the settings."""
    known = shops(shops=str(file), allowed_origins="https://all.example", lookup_limit=3)
    mode, buch, demo = (known.of(brand) for brand in ("mode", "buch", "demo"))
    assert mode.origins == {"https://mode.example", "https://all.example"}
    assert dict(mode.partners) == {"mode:acme": bytes.fromhex(HASH)}
    assert (dict(mode.shop_keys), dict(buch.shop_keys)) == ({"mode:warehouse": bytes.fromhex(OTHER_HASH)}, {})
    assert (mode.lookup_limit, mode.partner_lookup_limit, mode.currency) == (7, 70, "EUR")
    assert mode.upstream_url == "https://proxy.mode.example/api/v2"
    assert mode.policy.excluded_products | mode.policy.excluded_names == {"1234", "gift card"}
    assert (buch.policy, demo.policy) == (Policy(), Policy())
    assert (buch.lookup_limit, buch.currency, buch.origins) == (3, None, frozenset({"https://all.example"}))
    assert (demo.is_open, buch.is_open, known.of("nobody").is_open) == (True, True, False)
    assert known.origins == {"https://mode.example", "https://all.example"}


@pytest.mark.parametrize(("text", "line"), FAULTS.items())
def test_a_fault_is_one_line_without_values(tmp_path: Path, text: str, line: str) -> None:
    """Each fault stops the start with a line that names its place and repeats no value."""
    (path := tmp_path / "shops.toml").write_text(text)
    with pytest.raises(SettingsError) as caught:
        shops(shops=str(path), partners=f"everywhere:{HASH_OF_ALL}")
    [said] = str(caught.value).splitlines()
    assert said.startswith(f"BFF_SHOPS: {line}")
    assert "secret" not in said


def test_every_fault_is_named(tmp_path: Path) -> None:
    """A file with three faults gets three lines, and one that is not there gets one."""
    (path := tmp_path / "shops.toml").write_text("[shops.a]\nx = 1\n[shops.b]\nlookup_limit = -1\ncurrency = 5")
    with pytest.raises(UnusableShopsFile) as caught:
        read_shops(path, {})
    assert [fault.partition(":")[0] for fault in caught.value.faults] == [
        "shops.a.x",
        "shops.b.lookup_limit",
        "shops.b.currency",
    ]
    with pytest.raises(SettingsError, match=r"^BFF_SHOPS: No such file or directory$"):
        shops(shops=str(tmp_path / "absent"))


def test_a_file_as_editors_write_it(file: Path) -> None:
    """A byte order mark before the text and CRLF at the ends of lines change nothing."""
    file.write_bytes(b"\xef\xbb\xbf" + WHOLE.replace("\n", "\r\n").encode())
    assert set(read_shops(file, {})) == {"mode", "buch"}


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_only_a_regular_file_is_read(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """A directory, a named pipe that has no writer and a device end the start with a line that says so."""
    make(path := tmp_path / "shops.toml")
    with pytest.raises(SettingsError, match=r"^BFF_SHOPS: is not a regular file$"):
        shops(shops=str(path))


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    """A file above 4 MiB, which would hold up all requests while it is parsed, ends the start with one line."""
    (path := tmp_path / "shops.toml").write_text("[shops.mode]\n" + "#" * 4 * 1024 * 1024)
    with pytest.raises(SettingsError, match=r"^BFF_SHOPS: has more than 4 MiB$"):
        shops(shops=str(path))


def calls_to_read(path: Path, number: int) -> int:
    """How many functions are called to read a file of so many shops."""
    entry = '[shops.shop-{0}]\norigins = ["https://shop-{0}.example"]\ncurrency = "EUR"\nlookup_limit = 60\n'
    path.write_text("".join(entry.format(each) for each in range(number)))
    counted = 0

    def count(_frame: object, event: str, _function: object) -> None:
        nonlocal counted
        counted += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        known = shops(shops=str(path))
    finally:
        sys.setprofile(None)
    assert known.of(f"shop-{number - 1}").currency == "EUR"
    return counted


def test_twice_as_many_shops_are_twice_the_work(tmp_path: Path) -> None:
    """The work to read a file of shops grows with their number and no faster, up to 3,000 of them."""
    calls = [calls_to_read(tmp_path / "shops.toml", number) for number in (1500, 3000)]
    assert calls[1] < 2.1 * calls[0]


def write(path: Path, text: str) -> None:
    """Replaces the file's text."""
    path.write_text(text)


def rename_over(path: Path, text: str) -> None:
    """Writes a file with this text and renames it over what is there."""
    (new := path.with_name("new.toml")).write_text(text)
    new.replace(path)


async def watched(known: Shops, holds: Callable[[], bool]) -> None:
    """Returns once this holds, while the file is watched."""

    async def is_so() -> bool:
        return holds()

    watching = asyncio.create_task(known.watch(0.05))
    try:
        await eventually(is_so, 20)
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching


async def test_a_shop_that_is_taken_out_is_closed_and_known(file: Path) -> None:
    """A shop that is no longer in the file begins nothing more, and keeps its origins and its upstream."""
    known = shops(shops=str(file))
    write(file, '[shops.buch]\ncurrency = "CHF"')
    await watched(known, lambda: not known.of("mode").is_open)
    assert known.of("buch").currency == "CHF"
    assert known.of("mode").upstream_url == "https://proxy.mode.example/api/v2"
    assert "https://mode.example" in known.origins


def faults() -> float | None:
    """How many the metric shows."""
    return REGISTRY.get_sample_value("bff_shops_file_faults")


def become_a_pipe(path: Path) -> None:
    """Puts a named pipe without a writer where the file was."""
    path.unlink()
    os.mkfifo(path)


def deep(path: Path) -> None:
    """Nests values deeper than a parser follows."""
    write(path, f"shops = {'[' * 5000}")


HARMS = [
    lambda path: write(path, "[shops.Mode]\n[shops.buch]\nx = 1"),
    lambda path: write(path, WHOLE + f'partners = {{ acme = "{HASH}" }}'),
    lambda path: write(path, WHOLE.replace("[11]", "[0, true]")),
    deep,
    os.remove,
    become_a_pipe,
]


@pytest.mark.parametrize("harm", HARMS)
async def test_a_bad_file_changes_nothing(file: Path, harm: Callable[[Path], None]) -> None:
    """A file that cannot be used, is gone or became a pipe shows in metric and log; the shops stay until a good one."""
    known = shops(shops=str(file))
    harm(file)
    with capture_logs() as logged:
        await watched(known, lambda: bool(faults()))
    assert logged[0]["event"] == "shops file not taken"
    assert (known.of("mode").is_open, known.of("mode").currency) == (True, "EUR")
    assert known.of("mode").policy.refused_reasons == {11}
    rename_over(file, WHOLE.replace("EUR", "SEK"))
    await watched(known, lambda: known.of("mode").currency == "SEK")
    assert faults() == 0


async def test_a_file_with_thousands_of_faults_leaves_room_in_the_log(file: Path) -> None:
    """The first hundred faults of a changed file are logged, and all are counted."""
    known = shops(shops=str(file))
    write(file, "".join(f"[shops.Mode-{number}]\n" for number in range(1000)))
    with capture_logs() as logged:
        await watched(known, lambda: faults() == 1000)
    assert len(logged) == 100


async def test_signals_without_end_leave_time_between_readings(file: Path) -> None:
    """However often it is told to, a replica reads the file once a second at most."""
    known = shops(shops=str(file))
    clock = asyncio.get_running_loop().time
    started = clock()
    with capture_logs() as logged:

        def have_been_read() -> bool:
            known.reload()
            return len(logged) >= 3

        await watched(known, have_been_read)
    assert clock() - started >= 2 * REST_SECONDS


async def test_a_shop_that_is_taken_out_loses_the_keys_of_its_systems(file: Path) -> None:
    """The keys of a shop's systems are good only while its entry stands in the file."""
    known = shops(shops=str(file))
    assert known.of("mode").shop_keys
    write(file, "[shops.buch]")
    await watched(known, lambda: not known.of("mode").shop_keys)


async def test_reload_reads_a_file_that_looks_the_same(file: Path) -> None:
    """On demand the file is read although time, size and name are those of the one before."""
    os.utime(file, (0, 0))
    known = shops(shops=str(file))
    write(file, WHOLE.replace("EUR", "SEK"))
    os.utime(file, (0, 0))
    known.reload()
    await watched(known, lambda: known.of("mode").currency == "SEK")


GOOD_SECRET = "whsec_" + "c2VjcmV0IHNlY3JldCBzZWNyZXQg" * 2
TABLES = [
    (f'url = "https://a.example/e"\nsecrets = ["{GOOD_SECRET}"]', ""),
    (f'url = "http://127.0.0.1:1/e"\nsecrets = ["{GOOD_SECRET}"]\nprivate = true', ""),
    (f'url = "http://127.0.0.1:1/e"\nsecrets = ["{GOOD_SECRET}"]', "events go to an https URL"),
    (f'url = "http://a.example/e"\nsecrets = ["{GOOD_SECRET}"]\nprivate = true', "plain http is allowed on loopback"),
    ('url = "https://a.example/e"\nsecrets = ["whsec_c2hvcnQ="]', "24 to 64 random bytes"),
    ('url = "https://a.example/e"\nsecrets = ["another secret"]', "24 to 64 random bytes"),
    ('url = "https://a.example/e"\nsecrets = []', "at least 1 item"),
    (f'url = "https://a.example/e"\nsecrets = {[GOOD_SECRET] * 3}', "at most 2 items"),
    ('url = "https://a.example/e"', "Field required"),
]


@pytest.mark.parametrize(("table", "fault"), TABLES)
def test_what_an_events_table_needs(file: Path, table: str, fault: str) -> None:
    """Events need an https URL and one or two secrets of enough bytes; no fault quotes a secret, nor does an entry."""
    write(file, f"[shops.demo.events]\n{table}")
    if not fault:
        assert shops(shops=str(file)).told.keys() == {"demo"}
        assert GOOD_SECRET not in repr(shops(shops=str(file)).of("demo"))
        return
    with pytest.raises(SettingsError, match=fault) as caught:
        shops(shops=str(file))
    assert "another secret" not in str(caught.value)


async def test_a_shop_that_is_taken_out_is_told_nothing_more(file: Path) -> None:
    """A shop gets events only while its entry stands in the file, whether or not replicas were restarted since."""
    write(file, f'[shops.mode.events]\nurl = "https://a.example/e"\nsecrets = ["{GOOD_SECRET}"]')
    known = shops(shops=str(file))
    assert "mode" in known.told
    write(file, "[shops.buch]")
    await watched(known, lambda: not known.told)


def test_events_go_to_the_very_url_of_the_entry(file: Path) -> None:
    """The URL of an endpoint is used as it was written, with the slash at its end."""
    write(file, f'[shops.demo.events]\nurl = "https://a.example/events/"\nsecrets = ["{GOOD_SECRET}"]')
    assert shops(shops=str(file)).told["demo"].url == "https://a.example/events/"
