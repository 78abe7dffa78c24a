"""Whose turn it is."""

from adapters.sandbox.turns import HALF_LIFE, Turns


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def in_line(turns: Turns[str], owners: str) -> None:
    for number, owner in enumerate(owners):
        turns.wait(owner, f"{owner}{number}")


def taken(turns: Turns[str], busy: str = "") -> list[str]:
    items = []
    while found := turns.take(lambda owner: owner not in busy):
        items.append(found[1])
    return items


def test_owners_take_turns_however_many_items_they_have() -> None:
    turns: Turns[str] = Turns()
    in_line(turns, "aaabc")

    assert ["a0", "b3", "c4", "a1", "a2"] == taken(turns)
    assert 0 == len(turns)


def test_who_used_least_goes_first() -> None:
    turns: Turns[str] = Turns()
    turns.use("a", 2.0)
    turns.use("b", 1.0)
    in_line(turns, "abc")

    assert ["c2", "b1", "a0"] == taken(turns)


def test_a_busy_owner_waits_and_holds_up_nobody() -> None:
    turns: Turns[str] = Turns()
    in_line(turns, "aab")

    assert ["b2"] == taken(turns, busy="a")
    assert 2 == len(turns)


def test_what_was_used_long_ago_counts_less() -> None:
    clock = Clock()
    turns: Turns[str] = Turns(clock)
    turns.use("a", 4.0)
    clock.now = 3 * HALF_LIFE.total_seconds()
    turns.use("b", 1.0)
    in_line(turns, "ba")

    assert ["a1", "b0"] == taken(turns)


def test_whoever_leaves_is_not_called() -> None:
    turns: Turns[str] = Turns()
    in_line(turns, "aab")
    turns.leave("a", "a0")
    turns.leave("b", "b2")
    turns.leave("b", "never there")

    assert ["a1"] == taken(turns)
