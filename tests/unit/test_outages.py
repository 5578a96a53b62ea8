"""How long creations of a brand pause once their answers get lost."""

from app.returns.creation_outage import FIRST_PAUSE, LONGEST_PAUSE, LOST_IN_A_ROW, Outage

NOW = 1_000.0


def lost(times: int, *, alone: bool = False, since: Outage | None = None) -> Outage:
    """What is known after so many losses, each right after the pause before it."""
    outage = since or Outage()
    for _ in range(times):
        outage = outage.after_loss(max(NOW, outage.until), alone=alone)
    return outage


def test_five_in_a_row_are_an_outage() -> None:
    """Four lost creations pause nothing, the fifth does."""
    assert not lost(LOST_IN_A_ROW - 1).is_one
    assert lost(LOST_IN_A_ROW) == Outage(lost=LOST_IN_A_ROW, pause=FIRST_PAUSE, until=NOW + FIRST_PAUSE)


def test_creations_that_left_before_do_not_prolong_a_pause() -> None:
    """A crowd whose answers get lost late, one after the other, makes no pause longer."""
    outage = lost(LOST_IN_A_ROW)
    assert lost(20, since=outage) == outage


def test_each_lost_try_doubles_the_pause() -> None:
    """The pause doubles with each creation that is tried alone and lost, and never exceeds five minutes."""
    outage, pauses = lost(LOST_IN_A_ROW), []
    for _ in range(8):
        outage = lost(1, alone=True, since=outage)
        pauses.append(outage.pause)
    assert pauses == [10, 20, 40, 80, 160, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]
