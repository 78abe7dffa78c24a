"""A replica stays with its feeder unless another is clearly better, and two feeders never pass it to and fro."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.feeder_choice import AT_LEAST_FOLLOWED, FEW_BEHIND, SILENT_AFTER, STALLED_AFTER, TRAILS_BY, Heartbeats, choose, choose_instead
from adapters.feeder_protocol import Status

LONG = AT_LEAST_FOLLOWED + 1
MARKET_BEGAN = 1_767_225_600_000
SPEED = 60


def beat(second, *, age=0.1, behind=0, lag=0.0):
    """The heartbeat of a feeder whose view of the market is so many seconds late."""
    return float(second), Status(as_of=MARKET_BEGAN + int(1000 * SPEED * (second - lag)), age=1000 * age, behind=behind)


def feeder(*beats):
    heartbeats = Heartbeats()
    for moment, status in beats:
        heartbeats.note(status, moment)
    return heartbeats


def steady(until=20, **state):
    return feeder(*(beat(second, **state) for second in range(until + 1)))


def standings(*feeders, now=20.5):
    return [one.standing(now) for one in feeders]


@pytest.mark.parametrize("current", [0, 1])
@pytest.mark.parametrize(
    "slightly_worse",
    [{}, {"age": STALLED_AFTER - 0.1}, {"behind": FEW_BEHIND}, {"lag": TRAILS_BY - 1}],
    ids=["equal", "a little older", "a few behind", "a little late"],
)
def test_a_small_difference_moves_nobody(current, slightly_worse):
    pair = [steady(), steady()]
    pair[current] = steady(**slightly_worse)
    assert current == choose(standings(*pair), current, followed_for=LONG)


@pytest.mark.parametrize(
    "worse",
    [{"until": 16}, {"age": STALLED_AFTER + 1}, {"behind": 200}, {"lag": TRAILS_BY + 2}],
    ids=["silent", "stalled", "far behind", "late"],
)
def test_a_feeder_in_trouble_is_left_for_one_that_is_fine_and_not_the_other_way_round(worse):
    troubled, fine = steady(**worse), steady()
    assert 1 == choose(standings(troubled, fine), 0, followed_for=LONG)
    assert 1 == choose(standings(troubled, fine), 1, followed_for=LONG)
    assert 0 == choose(standings(troubled, steady(**worse)), 0, followed_for=LONG), "the other is no better"


def test_what_was_chosen_a_moment_ago_is_left_only_when_it_falls_silent():
    pair = standings(steady(age=60, behind=2_000), steady())
    silent = standings(steady(until=16), steady())
    assert (0, 1) == (choose(pair, 0, followed_for=1), choose(silent, 0, followed_for=1))


def test_a_feeder_counts_as_silent_only_after_several_heartbeats_are_missing():
    assert not steady().standing(20 + SILENT_AFTER - 0.1).is_silent
    assert steady().standing(20 + SILENT_AFTER + 0.1).is_silent


def test_histories_that_are_behind_for_a_moment_after_each_close_do_not_count():
    flickering = feeder(*(beat(second, behind=400 * (second % 3 != 0)) for second in range(21)))
    assert 0 == choose(standings(flickering, steady()), 0, followed_for=LONG)


def test_a_feeder_that_was_never_heard_is_not_chosen():
    assert 0 == choose(standings(steady(age=60), Heartbeats()), 0, followed_for=LONG)
    assert choose_instead(standings(steady(), Heartbeats()), 0) is None


def test_of_three_the_best_is_chosen():
    assert 2 == choose(standings(steady(age=60), steady(behind=300), steady()), 0, followed_for=LONG)
    assert 2 == choose_instead(standings(steady(), steady(age=60), steady(behind=300)), 0)


def test_after_a_loss_a_poor_feeder_is_better_than_none():
    assert 1 == choose_instead(standings(steady(), steady(age=60, behind=2_000)), 0)


def test_a_first_heartbeat_is_not_enough_nor_one_after_a_silence():
    """A feeder lacks nothing before it knows its symbols."""
    begun, restarted = feeder(beat(20)), feeder(*(beat(second) for second in (14, 15, 16, 20)))
    assert [True, True] == [standing.is_silent for standing in standings(begun, restarted)]


def test_a_feeder_whose_connection_broke_is_not_chosen_but_one_that_is_followed_is_not_left_for_that():
    gone = steady()
    gone.end()
    both = standings(steady(age=60), gone)
    assert (0, 0) == (choose(both, 0, followed_for=LONG), choose_instead(both, None))
    assert 1 == choose(standings(steady(), gone), 1, followed_for=LONG)


def test_what_a_feeder_lacks_counts_at_once_when_it_was_only_just_heard():
    new = feeder(beat(18, behind=0), beat(19, behind=2_000), beat(20, behind=1_900))
    old = standings(steady(behind=500), new)
    assert (0, 0) == (choose(old, 0, followed_for=LONG), choose_instead(old, None))


def test_after_a_loss_one_whose_market_is_older_comes_last():
    assert 2 == choose_instead(standings(steady(), steady(lag=TRAILS_BY + 2), steady(behind=300)), 0)


def test_at_the_start_the_first_named_is_taken_when_both_are_fine():
    assert 0 == choose_instead(standings(steady(), steady()), None)


trouble = st.fixed_dictionaries({"age": st.floats(0, 60), "behind": st.integers(0, 2_000), "lag": st.floats(0, 60)})


@settings(deadline=None)
@given(trouble, trouble)
def test_whatever_two_feeders_are_like_at_most_one_change_follows(first, second):
    pair = standings(steady(**first), steady(**second))
    path = [0]
    for _ in range(3):
        path.append(choose(pair, path[-1], followed_for=LONG))
    assert path[1] == path[2] == path[3]


@settings(deadline=None)
@given(st.lists(st.floats(0.0, 0.99), min_size=2, max_size=2))
def test_a_stall_of_the_whole_market_moves_nobody_whenever_heartbeats_come(phases):
    """Neither hears the exchange from second 20 to 60; their heartbeats come at moments of their own."""
    pair, moves = [Heartbeats(), Heartbeats()], []
    for tick in range(700):
        now = tick / 10
        for phase, one in zip(phases, pair, strict=True):
            if int(now - phase) > int(now - 0.1 - phase) or tick == 0:
                stall = now - 20 if 20 < now < 60 else 0.0
                one.note(Status(as_of=MARKET_BEGAN + int(1000 * SPEED * (now - stall)), age=1000 * stall + 100, behind=0), now)
        if now > 2:
            moves += [choose([one.standing(now) for one in pair], current, followed_for=LONG) - current for current in (0, 1)]
    assert {0} == set(moves)
