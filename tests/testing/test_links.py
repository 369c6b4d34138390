"""The physics of links: what is sent, when, in; what arrives, at its time, out."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings, strategies as st

from relive.testing.links import Agenda, Conditions, Hang, Lane, Line, Network, Refuse, Way, cut_bytes


def arrivals(lane: Lane[str], until: float = 1000.0) -> list[tuple[float, str]]:
    """Pop at each due time, as an owner does; say what arrived when."""
    seen: list[tuple[float, str]] = []
    while (due := lane.due) is not None and due <= until:
        seen += [(due, item) for item in lane.pop(due)]
    return seen


def lane(**conditions: float) -> Lane[str]:
    return Lane(Conditions(**conditions), random.Random(1))  # type: ignore[arg-type]


def line(network: Network | None = None) -> Line[str]:
    return (network or Network()).line(0.0)


def test_what_is_sent_arrives_after_the_latency() -> None:
    slow = lane(base=0.25, latency=0.5)
    slow.push("a", 1, 1.0)
    assert slow.pop(1.5) == []
    assert arrivals(slow) == [(1.75, "a")]
    assert len(slow) == slow.bytes == 0
    assert slow.due is None


def test_a_clear_lane_is_direct_and_needs_no_push() -> None:
    clear = lane()
    assert clear.direct
    clear.push("a", 1, 1.0)
    assert not clear.direct
    assert clear.pop(1.0) == ["a"]
    assert clear.direct
    assert not lane(latency=0.1).direct


def test_jitter_delays_and_never_reorders() -> None:
    shaky = lane(latency=1.0, jitter=5.0)
    for n in range(50):
        shaky.push(str(n), 1, n / 10)
    seen = arrivals(shaky)
    assert [item for _, item in seen] == [str(n) for n in range(50)]
    assert all(n / 10 + 1.0 <= at <= 4.9 + 6.0 for n, (at, _) in enumerate(seen))
    assert len({at for at, _ in seen}) > 1


def test_bandwidth_is_shared_by_what_is_sent_at_once() -> None:
    narrow = lane(bandwidth=100.0, latency=1.0)
    for item in "ab":
        narrow.push(item, 50, 0.0)
    narrow.push("late", 100, 10.0)
    assert arrivals(narrow) == [(1.5, "a"), (2.0, "b"), (12.0, "late")]


def test_a_sliced_frame_has_arrived_when_its_last_piece_has() -> None:
    sliced = lane(slice_size=10, slice_delay=0.5)
    sliced.push("three pieces", 25, 0.0)
    sliced.push("nothing", 0, 0.0)
    sliced.push("one", 10, 0.0)
    assert arrivals(sliced) == [(1.0, "three pieces"), (1.5, "nothing"), (1.5, "one")]


def test_a_stream_is_pushed_in_pieces_which_come_one_by_one() -> None:
    conditions = Conditions(slice_size=4, slice_delay=0.5)
    sliced: Lane[bytes] = Lane(conditions, random.Random(), cut_bytes)
    for piece in conditions.slices(b"abcdefghij"):
        sliced.push(piece, len(piece), 0.0)
    assert [sliced.pop(at) for at in (0.0, 0.5, 1.0)] == [[b"abcd"], [b"efgh"], [b"ij"]]
    assert Conditions().slices(b"abc") == [b"abc"]
    assert Conditions().slices(b"") == []


def test_a_slow_close_delays_the_close_alone() -> None:
    slow = lane(slow_close=2.0)
    slow.push("frame", 10, 0.0)
    slow.push("close", 6, 0.0, closing=True)
    assert arrivals(slow) == [(0.0, "frame"), (2.0, "close")]


def test_what_is_held_comes_at_once_and_in_order() -> None:
    network = Network(latency=0.1)
    held = line(network)
    network.hold("down")
    for n, item in enumerate("abc"):
        held.down.push(item, 1, float(n))
    held.up.push("other way", 1, 0.0)
    assert held.due == 0.1
    assert held.up.pop(9.0) == ["other way"]
    assert held.due is None
    assert held.down.pop(9.0) == []
    network.release()
    assert held.down.pop(9.0) == list("abc")


def test_one_line_can_be_held_among_others() -> None:
    network = Network()
    clogged, free = line(network), line(network)
    clogged.hold("up")
    assert (clogged.up.direct, clogged.down.direct, free.up.direct) == (False, True, True)
    clogged.up.push("a", 1, 0.0)
    assert clogged.up.pop(5.0) == []
    clogged.release()
    assert clogged.up.pop(5.0) == ["a"]
    assert clogged.up.direct


def test_conditions_hold_for_what_is_under_way_and_for_lines_to_come() -> None:
    network = Network()
    old = line(network)
    network.set("both", latency=10.0, bandwidth=1.0)
    old.up.push("a", 100, 0.0)
    assert old.due == 110.0
    assert not line(network).down.direct
    network.set(latency=1.0, bandwidth=None)
    assert old.due == 1.0
    network.heal()
    assert old.due == 0.0
    assert network.clear


def test_conditions_that_cannot_be_are_refused() -> None:
    for wrong in ({"latency": -1.0}, {"bandwidth": 0.0}, {"slice_size": 0}):
        with pytest.raises(ValueError, match="must be"):
            Network().set("up", **wrong)  # type: ignore[arg-type]


def test_a_reset_by_the_network_strikes_both_ends_and_what_is_under_way() -> None:
    network = Network(latency=1.0)
    struck = line(network)
    struck.up.push("in time", 1, 0.0)
    struck.up.push("too late", 1, 3.0)
    struck.reset_peer(0.0, after=2.5)
    struck.reset_peer(0.0, after=100.0)
    assert struck.up.pop(1.0) == ["in time"]
    assert struck.due == 2.5
    assert struck.up.pop(9.0) == struck.down.pop(9.0) == []
    assert struck.up.broken
    assert struck.down.broken
    assert struck.due is None
    struck.up.push("nowhere", 1, 9.0)
    assert struck.up.pop(99.0) == []


def test_a_reset_comes_through_a_hold() -> None:
    struck = line()
    struck.hold()
    struck.reset_peer(1.0)
    assert struck.due == 1.0
    struck.down.pop(1.0)
    assert struck.down.broken


def test_a_black_hole_swallows_everything_and_may_be_reset_in_the_end() -> None:
    hole = line(Network(latency=1.0))
    hole.up.push("under way", 1, 0.0)
    hole.timeout(0.5)
    hole.up.push("after", 1, 0.6)
    assert hole.due is None
    assert hole.up.swallows
    hole.timeout(1.0, after=4.0)
    hole._network.heal()
    assert hole.due == 5.0
    assert hole.down.pop(5.0) == []
    assert hole.down.broken


def test_a_half_open_line_has_lost_its_server_only() -> None:
    half = line()
    half.half_open(0.0, notices_after=3.0)
    assert half.due == 3.0
    half.up.pop(3.0)
    assert half.up.broken
    assert not half.down.broken
    assert half.due is None
    silent = line()
    silent.half_open(0.0, None)
    assert silent.due is None


def test_limited_data_counts_both_ways_and_then_resets() -> None:
    limited: Line[bytes] = Network().line(0.0, cut_bytes)
    limited.limit_data(10)
    limited.up.push(b"12345678", 8, 0.0)
    limited.down.push(b"12345678", 8, 0.0)
    assert limited.up.pop(0.0) == [b"12345678"]
    assert limited.down.pop(0.0) == [b"12"]
    assert limited.up.broken
    assert limited.down.broken


def test_limited_data_that_fits_passes_whole_before_the_reset() -> None:
    limited = line()
    limited.limit_data(3)
    limited.up.push("all of it", 3, 0.0)
    assert limited.up.pop(0.0) == ["all of it"]
    assert limited.down.broken
    at_once = line()
    at_once.limit_data(0)
    assert at_once.up.broken


@pytest.mark.parametrize(("cut", "left"), [(None, []), (cut_bytes, [b"abc"])], ids=["frame", "bytes"])
def test_what_is_truncated_arrives_by_half_or_not_at_all(
    cut: Callable[[bytes, int], bytes] | None, left: list[bytes]
) -> None:
    truncated: Line[bytes] = Network().line(0.0, cut)
    truncated.truncate("down")
    truncated.down.push(b"", 0, 0.0)
    truncated.down.push(b"abcdef", 6, 0.0)
    truncated.down.push(b"lost", 4, 0.0)
    truncated.up.push(b"lost too", 8, 0.0)
    assert truncated.down.pop(0.0) == [b"", *left]
    assert truncated.up.pop(0.0) == []
    assert truncated.up.broken
    assert truncated.down.broken


def test_healing_takes_back_what_has_not_happened_yet() -> None:
    network = Network(latency=0.5)
    healed = line(network)
    network.set("both", latency=3.0, jitter=1.0, held=True, slow_close=1.0)
    healed.limit_data(1)
    healed.truncate("both")
    healed.hold()
    healed.reset_peer(0.0, after=9.0)
    network.refuse_dials(503)
    network.flap(20.0, 2, 1.0, 1.0)
    network.heal()
    healed.up.push("long enough", 100, 0.0)
    assert arrivals(healed.up) == [(0.5, "long enough")]
    assert network.dial(20.5) is None
    assert not network.clear, "the latency of the network itself stays"


def test_dials_are_refused_or_hang_in_the_order_of_the_faults() -> None:
    network = Network()
    network.refuse_dials(503, times=2)
    network.hang_dials()
    network.refuse_dials()
    fates = [network.dial(0.0) for _ in range(5)]
    assert fates == [Refuse(503), Refuse(503), Hang(), Refuse(None), None]


def test_a_flapping_network_resets_what_is_open_and_refuses_dials() -> None:
    network = Network()
    first = line(network)
    network.flap(10.0, 2, down=1.0, up=2.0)
    assert first.due == 10.0
    assert [network.dial(at) is None for at in (10.0, 10.9, 11.0, 12.9, 13.5, 14.0)] == [
        False, False, True, True, False, True,
    ]  # fmt: skip


def test_a_line_made_between_two_flaps_lives_until_the_next() -> None:
    network = Network()
    network.flap(0.0, 2, down=1.0, up=2.0)
    assert network.line(1.5).due == 3.0
    assert network.line(3.5).due == 3.5
    assert network.line(4.0).due is None


def test_lines_are_known_until_they_are_closed() -> None:
    network = Network()
    first, second = line(network), line(network)
    assert network.lines == (first, second)
    first.close()
    first.close()
    assert network.lines == (second,)


def test_whoever_watches_is_told_of_every_change() -> None:
    network = Network()
    told: list[None] = []

    def changed() -> None:
        told.append(None)

    network.watch(changed)
    watched = line(network)
    for change in (network.hold, network.release, network.heal, watched.hold, watched.release, watched.truncate):
        before = len(told)
        change()
        assert len(told) > before
    network.unwatch(changed)
    before = len(told)
    network.hold()
    assert len(told) == before


def test_an_agenda_knows_who_is_next() -> None:
    agenda: Agenda[str] = Agenda()
    agenda.note("a", 5.0)
    agenda.note("b", 3.0)
    agenda.note("b", 5.0)
    agenda.note("c", 1.0)
    agenda.note("c", None)
    assert agenda.due == 5.0
    assert agenda.pop(4.9) is None
    assert [agenda.pop(5.0), agenda.pop(5.0), agenda.pop(5.0)] == ["a", "b", None]
    assert agenda.due is None


STEP = st.one_of(
    st.tuples(st.just("push"), st.integers(0, 100)),
    st.tuples(st.just("wait"), st.floats(0.0, 3.0)),
    st.tuples(st.just("latency"), st.floats(0.0, 2.0)),
    st.tuples(st.just("jitter"), st.floats(0.0, 2.0)),
    st.tuples(st.just("bandwidth"), st.sampled_from([None, 1.0, 50.0, 1e6])),
    st.tuples(st.just("slice_size"), st.sampled_from([None, 1, 7, 1000])),
    st.tuples(st.just("slice_delay"), st.floats(0.0, 0.5)),
    st.tuples(st.just("held"), st.booleans()),
    st.tuples(st.just("hold line"), st.booleans()),
)
HISTORY = st.lists(STEP, max_size=60)


def play(history: list[tuple[str, object]], seed: int, way: Way = "up") -> tuple[list[int], list[tuple[float, int]]]:
    """Do it all; return what was sent, and what arrived when until all was healed and everything popped."""
    network = Network(random.Random(seed), latency=0.125)
    line: Line[int] = network.line(0.0)
    (lane,) = line.lanes(way)
    now, sent, seen = 0.0, list[int](), list[tuple[float, int]]()
    pushed: dict[int, float] = {}
    for name, value in history:
        if name == "push":
            assert isinstance(value, int)
            pushed[len(sent)] = now
            lane.push(len(sent), value, now)
            sent.append(len(sent))
        elif name == "wait":
            assert isinstance(value, float)
            until = now + value
            while (due := lane.due) is not None and due <= until:
                now = max(now, due)
                arrived = lane.pop(now)
                assert arrived, "at its time something arrives"
                least = 0.125 + lane.conditions.latency
                assert all(now >= pushed[item] + least - 1e-9 for item in arrived)
                seen += [(now, item) for item in arrived]
            now = until
        elif name == "hold line":
            (line.hold if value else line.release)(way)
        else:
            network.set(way, **{name: value})  # type: ignore[arg-type]
        assert not (lane.direct and len(lane))
    network.heal()
    seen += [(now + 0.125, item) for item in lane.pop(now + 0.125)]
    assert lane.due is None
    assert lane.bytes == 0
    return sent, seen


@settings(max_examples=200, deadline=None)
@given(HISTORY, st.integers(0, 3), st.sampled_from(["up", "down"]))
def test_whatever_happens_everything_arrives_once_in_order_and_never_early(
    history: list[tuple[str, object]], seed: int, way: Way
) -> None:
    sent, seen = play(history, seed, way)
    assert [item for _, item in seen] == sent
    assert [at for at, _ in seen] == sorted(at for at, _ in seen)
    assert play(history, seed, way) == (sent, seen), "the same seed makes the same times"
