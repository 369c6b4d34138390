"""The account of a demo: what is lost, doubled or shuffled is counted, and what only looks so is not."""

from __future__ import annotations

import pytest

from relive.cli.account import Account, Timeline, settle
from relive.cli.plan import CHUNKS

SENT = ["a", "b", "c", "d", "e"]
GOOD = Account(0, 0, 0, 0, 0, 0, 0)
ONE, TWO = ["1.1", "1.2"], ["2.1", "2.2"]


def line(items: str, covered: int = 0) -> Timeline:
    return Timeline(tuple(items), covered)


def frames(*lines: Timeline) -> tuple[int, int, int, int]:
    """Lost, doubled, out of order, said again."""
    account = settle(SENT, lines, [], [], 0)
    return account.frames_lost, account.frames_doubled, account.frames_out_of_order, account.frames_said_again


def output(heard: list[list[str]], said: list[list[str]], turns: int) -> tuple[int, int, int]:
    """Lost, doubled, out of order."""
    account = settle([], [], heard, said, turns)
    return account.output_lost, account.output_doubled, account.output_out_of_order


def test_once_and_in_order_is_good() -> None:
    assert settle(SENT, [line("abcde")], [ONE, TWO], [ONE, TWO], 2) == GOOD


@pytest.mark.parametrize(
    ("items", "counted"),
    [
        ("abde", (1, 0, 0, 0)),
        ("", (5, 0, 0, 0)),
        ("abbcde", (0, 1, 0, 0)),
        ("abcabcde", (0, 3, 0, 0)),
        ("abdce", (0, 0, 1, 0)),
        ("abcdex", (0, 1, 0, 0)),
    ],
)
def test_every_frame_is_accounted_for(items: str, counted: tuple[int, int, int, int]) -> None:
    assert frames(line(items)) == counted


def test_a_dead_session_counts_as_far_as_its_last_handle_goes() -> None:
    assert frames(line("abc", covered=3), line("de")) == (0, 0, 0, 0)


def test_what_a_dead_session_consumed_after_its_last_handle_is_said_again_not_doubled() -> None:
    assert frames(line("abcd", covered=2), line("cde")) == (0, 0, 0, 2)


def test_what_a_dead_session_consumed_counts_as_consumed() -> None:
    assert frames(line("abcd", covered=2), line("e")) == (0, 0, 0, 0)


def test_what_a_handle_of_a_dead_session_covers_must_not_be_said_again() -> None:
    assert frames(line("abc", covered=3), line("cde")) == (0, 1, 0, 0)


def test_what_no_session_consumed_is_lost() -> None:
    assert frames(line("ab", covered=2), line("de")) == (1, 0, 0, 0)


@pytest.mark.parametrize(
    ("heard", "counted"),
    [
        ([ONE], (2, 0, 0)),
        ([ONE, ["2.1"]], (1, 0, 0)),
        ([ONE, ["2.1", "2.1", "2.2"]], (0, 1, 0)),
        ([ONE, ["2.2", "2.1"]], (0, 0, 2)),
        ([ONE, ONE, TWO], (0, 2, 0)),
        ([ONE, ONE], (2, 2, 0)),
        ([[], [], ONE, TWO], (4, 5, 0)),
        ([ONE, TWO, TWO], (0, 2, 0)),
        ([ONE, TWO, []], (0, 1, 0)),
    ],
)
def test_every_turn_is_answered_once_with_what_the_server_said(
    heard: list[list[str]], counted: tuple[int, int, int]
) -> None:
    assert output(heard, [ONE, TWO], 2) == counted


def test_the_same_answer_given_twice_is_not_heard_twice() -> None:
    """A session that follows one that died numbers its turns from the start."""
    assert output([ONE, ONE, TWO], [ONE, ONE, TWO], 3) == (0, 0, 0)
    assert output([ONE, ONE, ONE, TWO], [ONE, ONE, TWO], 3) == (0, 2, 0)


def test_an_answer_that_the_server_never_gave_is_lost() -> None:
    assert output([ONE], [ONE], 2) == (CHUNKS, 0, 0)


def test_doubling_is_forgiven_only_where_the_server_reports_no_indices() -> None:
    doubled = Account(0, 3, 0, 0, 0, 1, 0)
    assert doubled.good(indexed=False)
    assert not doubled.good(indexed=True)
    assert not Account(1, 0, 0, 0, 0, 0, 0).good(indexed=False)
    assert not Account(0, 0, 1, 0, 0, 0, 0).good(indexed=False)
    assert not Account(0, 0, 0, 0, 1, 0, 0).good(indexed=False)
    assert Account(0, 0, 0, 9, 0, 0, 0).good(indexed=True)
