"""The journal: nothing lost, nothing out of order, nothing uncounted."""

from __future__ import annotations

import math

import pytest

from relive.core.journal import Entry, Frame, Journal, Lane, by_index, by_time

PLENTY = 1_000_000


def journal(limit: int = PLENTY, audio_age: float = math.inf) -> Journal:
    made = Journal(limit=limit, audio_age=audio_age)
    made.begin(1)
    return made


def filled(*frames: str, lane: Lane = "reliable", now: float = 0.0, **settings: float) -> Journal:
    """A journal in which these were accepted."""
    made = journal(**settings)  # pyright: ignore[reportArgumentType]
    for frame in frames:
        made.accept(frame, lane, now)
    return made


def write(made: Journal, now: float = 0.0, times: int = 1000) -> list[Frame]:
    out: list[Frame] = []
    while times and (entry := made.write(now)) is not None:
        out.append(entry.frame)
        times -= 1
    return out


def frames(entries: object) -> list[Frame]:
    return [entry.frame for entry in entries]  # pyright: ignore[reportGeneralTypeIssues]


def resume(made: Journal, *, indexed: bool = True, since: float = 0.0, audio: float = math.inf) -> list[Frame]:
    """Come up on the next connection; returns what will be written there again."""
    replay = made.plan(now=0.0, indexed=indexed, since=since, audio=audio)
    made.begin(made.connection + 1)
    made.rewind(replay)
    return frames(replay.again)


# Writing.


def test_frames_are_written_in_the_order_of_acceptance() -> None:
    """P13."""
    made = journal()
    for frame, lane in (("a", "reliable"), ("b", "audio"), ("c", "video"), ("d", "reliable")):
        made.accept(frame, lane, 0.0)  # pyright: ignore[reportArgumentType]
    assert write(made) == ["a", "b", "c", "d"]


def test_a_frame_is_in_the_journal_before_it_is_on_the_wire() -> None:
    """P13: a write that is cancelled loses nothing."""
    made = filled("a", "b")
    assert made.write(5.0) is made.written[0]
    assert (made.written[0].written_at, made.last_written) == (5.0, 1)
    assert frames(made.waiting) == ["b"]


def test_writes_are_numbered_from_one_on_each_connection() -> None:
    """P14: the setup is 0."""
    made = filled("a", "b")
    write(made)
    assert [entry.index for entry in made.written] == [1, 2]
    resume(made)
    made.accept("c", "reliable", 0.0)
    write(made)
    assert [(entry.connection, entry.index) for entry in made.written] == [(2, 1), (2, 2), (2, 3)]


def test_audio_that_waited_too_long_is_dropped_and_counted() -> None:
    """P13."""
    made = filled("old", lane="audio", audio_age=30.0)
    made.accept("text", "reliable", 0.0)
    made.accept("new", "audio", 20.0)
    assert write(made, now=31.0) == ["text", "new"]
    assert made.counts.dropped == made.counts.dropped_audio == 1
    assert [entry.index for entry in made.written] == [1, 2]


def test_of_waiting_video_only_the_newest_frame_is_written() -> None:
    """P13."""
    made = filled("1", "2", "3", lane="video")
    assert made.waiting_bytes == 1
    assert write(made) == ["3"]
    assert made.counts.dropped_video == 2
    assert made.write(0.0) is None


def test_video_that_is_on_the_wire_is_not_dropped_for_a_newer_frame() -> None:
    made = filled("1", lane="video")
    write(made)
    made.accept("2", "video", 0.0)
    assert write(made) == ["2"]
    assert made.counts.dropped_video == 0


def test_audio_may_be_written_through() -> None:
    """P13: accepting and writing in one is the same as one after the other."""
    slow, fast = journal(limit=5), journal(limit=5)
    for moment, frame in enumerate(("abc", "def", "ghi")):
        slow.accept(frame, "audio", moment)
        slow.write(moment)
        fast.write_through(frame, moment)
    same = ("position", "last_written", "index", "written_bytes", "waiting_bytes")
    assert [getattr(slow, name) for name in same] == [getattr(fast, name) for name in same]
    assert slow.counts == fast.counts
    for one, other in zip(slow.written, fast.written, strict=True):
        assert (one.position, one.index, one.written_at, one.first_written_at) == (
            other.position, other.index, other.written_at, other.first_written_at)  # fmt: skip


def test_above_its_limit_the_journal_forgets_the_oldest_and_counts_it() -> None:
    """P13 P14: its number is not given away again."""
    made = filled("aaaa", "bbbb", "cccc", limit=9)
    write(made)
    assert frames(made.written) == ["bbbb", "cccc"]
    assert [entry.index for entry in made.written] == [2, 3]
    assert made.counts.forgotten == made.counts.dropped == 1


# Covering.


def test_an_index_covers_what_was_written_up_to_it() -> None:
    """P14."""
    made = filled("a", "b", "c")
    write(made)
    made.trim(by_index(1, 2))
    assert frames(made.written) == ["c"]
    assert made.written_bytes == 1
    assert made.counts.covered == 2


def test_an_index_of_another_connection_covers_nothing() -> None:
    """P14."""
    made = filled("a")
    write(made)
    made.trim(by_index(2, 1))
    assert frames(made.written) == ["a"]


def test_without_an_index_time_tells_and_what_was_answered() -> None:
    """P15."""
    made = journal()
    for moment in range(5):
        made.accept(str(moment), "reliable", moment)
        made.write(moment)
    made.trim(by_time(1, 2.0, proven=0))
    assert frames(made.written) == ["2", "3", "4"]
    made.trim(by_time(1, 2.0, proven=4))
    assert frames(made.written) == ["4"]


def test_a_checkpoint_while_a_replay_is_under_way_covers_only_what_is_on_the_wire() -> None:
    """The journal is not trimmed of what still waits."""
    made = filled("a", "b")
    write(made)
    resume(made)
    write(made, times=1)
    made.trim(by_index(2, 99))
    assert write(made) == ["b"]


def test_what_was_on_the_wire_by_then() -> None:
    made = journal()
    made.seed(("seed",), 0.0)
    for moment in range(3):
        made.accept(str(moment), "reliable", moment)
    assert made.reached(9.0) == 0
    for moment in range(3):
        made.write(moment)
    assert [made.reached(instant) for instant in (-1.0, 0.0, 1.0, 1.5, 9.0)] == [0, 0, 1, 1, 2]


# Replaying.


def test_what_is_not_covered_is_written_again_before_what_waits() -> None:
    """P13 P15."""
    made = filled("a", "b", "c")
    write(made, times=2)
    assert resume(made) == ["a", "b"]
    assert write(made) == ["a", "b", "c"]
    assert made.counts.replayed == 2


def test_a_replay_that_is_cut_short_is_taken_up_where_it_stopped() -> None:
    """P13: in order, nothing twice on one connection."""
    made = filled("a", "b", "c")
    write(made)
    resume(made)
    write(made, times=1)
    assert resume(made) == ["a"]
    assert write(made) == ["a", "b", "c"]


def test_of_audio_only_the_last_seconds_are_replayed_without_an_index() -> None:
    """P15."""
    made = journal()
    for moment in range(20):
        made.accept(str(moment), "audio", moment)
        made.write(moment)
    assert resume(made, indexed=False, audio=3.0) == ["16", "17", "18", "19"]
    assert made.counts.dropped_audio == 16


def test_with_an_index_all_audio_that_is_not_covered_is_replayed() -> None:
    """P15."""
    made = journal()
    for moment in range(20):
        made.accept(str(moment), "audio", moment)
        made.write(moment)
    assert len(resume(made, indexed=True, audio=3.0)) == 20


def test_of_video_only_the_newest_frame_is_replayed() -> None:
    """P15: or none, if a newer one waits already."""
    made = journal()
    for frame in "abc":
        made.accept(frame, "video", 0.0)
        made.write(0.0)
    assert resume(made) == ["c"]
    made.accept("d", "video", 0.0)
    assert write(made) == ["d"]
    assert made.counts.dropped_video == 3


def test_what_may_be_doubled_is_counted_as_uncertain() -> None:
    """P15: also when it is replayed for the second time."""
    made = filled("a", "b")
    made.write(1.0)
    made.write(3.0)
    assert made.plan(now=0.0, indexed=False, since=2.0, audio=1.0).uncertain == 1
    assert made.plan(now=0.0, indexed=True, since=2.0, audio=1.0).uncertain == 0
    resume(made, indexed=False, since=2.0)
    write(made, now=9.0)
    assert made.plan(now=0.0, indexed=False, since=2.0, audio=1.0).uncertain == 1


def test_a_seed_goes_first_and_is_never_replayed() -> None:
    """P19."""
    made = filled("a")
    made.seed(("s1", "s2"), 0.0)
    assert made.waiting_bytes == 5
    assert write(made) == ["s1", "s2", "a"]
    assert [entry.index for entry in made.written] == [1, 2, 3]
    assert resume(made) == ["a"]
    assert made.counts.covered == made.counts.forgotten == 0


def test_what_is_left_of_a_seed_is_not_given_to_the_next_session() -> None:
    """P19."""
    made = filled("a")
    made.seed(("s1", "s2"), 0.0)
    write(made, times=1)
    resume(made)
    assert made.waiting_bytes == 1
    assert write(made) == ["a"]


def test_a_seed_counts_neither_as_covered_nor_as_forgotten() -> None:
    made = filled("aaaa", limit=6)
    made.seed(("ssss",), 0.0)
    write(made)
    made.trim(by_index(1, 2))
    assert (made.counts.forgotten, made.counts.covered, made.counts.written) == (0, 1, 2)
    made.seed(("s",), 0.0)
    write(made)
    made.trim(by_index(1, 3))
    assert (len(made.written), made.counts.covered) == (0, 1)


def test_a_replay_names_the_first_frame_of_it() -> None:
    made = filled("a")
    assert made.plan(now=0.0, indexed=True, since=0.0, audio=0.0).first is None
    write(made)
    assert made.plan(now=0.0, indexed=True, since=0.0, audio=0.0).first == 1


# Tool responses.


def without(frame: Frame, unknown: frozenset[str]) -> Frame | None:
    kept = [name for name in str(frame).split() if name not in unknown]
    return " ".join(kept) if kept else None


@pytest.mark.parametrize(
    ("known", "left", "dropped", "trimmed"),
    [
        ({"a", "b"}, ["a b"], 0, 0),
        ({"a"}, ["a"], 0, 1),
        (set[str](), [], 1, 0),
    ],
)
def test_answers_to_unknown_calls_are_withdrawn(known: set[str], left: list[str], dropped: int, trimmed: int) -> None:
    """P16."""
    made = journal()
    made.accept("a b", "reliable", 0.0, frozenset("ab"))
    made.accept("text", "reliable", 0.0)
    made.withdraw_answers(frozenset(known), without)
    assert made.waiting_bytes == sum(map(len, left)) + len("text")
    assert write(made) == [*left, "text"]
    assert (made.counts.dropped_answers, made.counts.trimmed_answers) == (dropped, trimmed)


def test_a_batch_of_which_nothing_is_left_is_dropped() -> None:
    """P16."""
    made = journal()
    made.accept("a b", "reliable", 0.0, frozenset("ab"))
    made.withdraw_answers(frozenset("a"), lambda _frame, _unknown: None)
    assert write(made) == []
    assert made.counts.dropped_answers == 1


def test_a_frame_that_was_superseded_is_not_withdrawn_as_well() -> None:
    made = filled("1", "2", lane="video")
    made.withdraw_answers(frozenset(), without)
    assert made.waiting_bytes == 1
    assert made.counts.dropped == 1


def test_the_journal_knows_which_answers_are_not_covered() -> None:
    """P16."""
    made = journal()
    for name in "abc":
        made.accept(name, "reliable", 0.0, frozenset(name))
    write(made, times=2)
    assert made.answers() == set("abc")
    assert made.answers(by_index(1, 1)) == set("bc")


def test_a_journal_shows_counts_and_no_frames() -> None:
    """P5."""
    made = filled("secret", "other")
    write(made, times=1)
    assert repr(made) == "<Journal: 1 waiting, 1 written, at 2>"
    assert "secret" not in repr(Entry(1, "secret", "reliable", 0.0))
