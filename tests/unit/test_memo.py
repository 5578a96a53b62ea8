"""What a memo makes, keeps and lets go."""

from functools import partial

import pytest

from app.redis.derived_values import DerivedValues


def test_the_same_parts_are_made_once() -> None:
    """Equal parts give the value of before, other parts another one, and each key has its own."""
    memo: DerivedValues[str, list[str]] = DerivedValues(2)
    first = memo.get("a", ["part"], lambda: ["one"])
    assert memo.get("a", ["part"], lambda: ["two"]) is first
    assert memo.get("b", ["part"], lambda: ["three"]) == ["three"]
    assert memo.get("a", ["other"], lambda: ["four"]) == ["four"]
    assert memo.get("a", ["part"], lambda: ["five"]) == ["five"]


def test_the_key_used_longest_ago_goes() -> None:
    """No more are kept than there is room for, and using one counts, not only making it."""
    memo: DerivedValues[str, int] = DerivedValues(2)
    for key, value in (("a", 1), ("b", 2), ("a", 3), ("c", 4)):
        memo.get(key, None, partial(int, value))
    assert [memo.get(key, None, lambda: 0) for key in ("a", "c", "b")] == [1, 4, 0]


def test_what_is_forgotten_is_made_anew() -> None:
    """Forgetting takes one key, and one that is not there is fine."""
    memo: DerivedValues[str, int] = DerivedValues(2)
    memo.get("a", None, lambda: 1)
    memo.get("b", None, lambda: 2)
    memo.forget("a")
    memo.forget("never there")
    assert (memo.get("a", None, lambda: 3), memo.get("b", None, lambda: 4)) == (3, 2)


def test_the_last_value_can_be_asked_for() -> None:
    """The last value of a key is known even if its parts have changed; a forgotten key has none."""
    memo: DerivedValues[str, int] = DerivedValues(2)
    memo.get("a", "old", lambda: 1)
    memo.get("a", "new", lambda: 2)
    last = memo.last("a")
    memo.forget("a")
    assert (last, memo.last("a"), memo.last("b")) == (2, None, None)


def test_what_cannot_be_made_is_not_kept() -> None:
    """An error reaches the caller, and the value of the parts before stays with those parts alone."""
    memo: DerivedValues[str, float] = DerivedValues(2)
    memo.get("a", 1, lambda: 1.0)
    with pytest.raises(ZeroDivisionError):
        memo.get("a", 0, lambda: 1 / 0)
    assert memo.get("a", 1, lambda: 2.0) == 1.0
    assert memo.get("a", 0, lambda: 3.0) == 3.0


def test_heavy_values_push_out_light_ones() -> None:
    """Values are dropped, the least recently used first, until the rest weighs no more than allowed."""
    memo: DerivedValues[str, int] = DerivedValues(100, 10)
    for key, weight in (("a", 4), ("b", 4), ("c", 4)):
        memo.get(key, None, partial(int, weight), lambda value: value)
    assert [memo.last(key) for key in ("a", "b", "c")] == [None, 4, 4]
    memo.get("d", None, lambda: 11, lambda value: value)
    assert [memo.last(key) for key in ("b", "c", "d")] == [None, None, None]
    memo.forget("d")
    for key in ("b", "c"):
        memo.get(key, None, lambda: 5, lambda value: value)
    assert [memo.last(key) for key in ("b", "c")] == [5, 5]
