"""Which answers are given again, to whom, and for how long."""

import itertools

import pytest
from starlette.responses import PlainTextResponse, Response

from app.errors import NoLabel
from app.http.answers.recent_answers import RecentAnswers


class Numbered:
    """Makes answers that are numbered."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    async def __call__(self) -> Response:
        """The next answer."""
        return PlainTextResponse(str(next(self._numbers)))


async def test_an_answer_is_given_again_for_its_time() -> None:
    """Within its time the same question gets the same answer; after it, one that is made again."""
    made, lasting, over = Numbered(), RecentAnswers(seconds=60), RecentAnswers(seconds=0)
    assert [(await lasting.get("a", made)).body for _ in range(3)] == [b"1"] * 3
    assert [(await over.get("a", made)).body for _ in range(2)] == [b"2", b"3"]


async def test_another_question_has_its_own_answer() -> None:
    """An answer is given to no other question than its own."""
    made, answers = Numbered(), RecentAnswers(seconds=60)
    assert [(await answers.get(key, made)).body for key in ("a", "b", "a")] == [b"1", b"2", b"1"]


async def test_an_error_is_not_kept() -> None:
    """After a failure the next one who asks gets the answer that can be made by then."""

    async def failing() -> Response:
        """Fails."""
        raise NoLabel

    answers = RecentAnswers(seconds=60)
    with pytest.raises(NoLabel):
        await answers.get("a", failing)
    assert (await answers.get("a", Numbered())).body == b"1"
