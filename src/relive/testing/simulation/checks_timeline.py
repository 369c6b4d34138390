"""What was accepted, laid beside what was consumed: the account that P13–P15 are checked by.

Items are known by their numbers. Those that carry none (marks) are recognised by their kind and their place among the
others on their connection.

A client's timeline goes through the sessions that it had, oldest first. Of a session that was lost it holds what the
handle covers that was in hand last: the rest is to be sent again, to the next one.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Final

import attrs

from relive.testing.server_truth import Consumed, Session
from relive.testing.simulation.checks_facts import Facts, Story
from relive.testing.simulation.history import Sent
from relive.testing.simulation.user import number_of

MARKS: Final = frozenset({"activity_start", "activity_end", "stream_end"})


@attrs.define(eq=False)
class Account:
    """What one process of a client sent, and what of it did not arrive as it should."""

    story: Story
    accepted: list[int] = attrs.Factory(list[int])
    "Numbers of what was accepted, in order; of tool responses not."
    kinds: dict[int, str] = attrs.Factory(dict[int, str])
    "Kinds of those that are not audio."
    lost: Counter[str] = attrs.Factory(Counter[str])
    "Never consumed, by kind."
    first_lost: int = 0
    doubled: int = 0
    "Times that an item was on the timeline beyond the first."
    first_doubled: int = 0
    shuffled: int = 0
    "Items that came after one that was accepted later."


@attrs.define(eq=False)
class Books:
    """The accounts of one client."""

    accounts: list[Account]
    foreign: list[str] = attrs.Factory(list[str])
    "What was consumed and sent by nobody."
    sessions: int = 0
    unplaced: int = 0
    "Marks that were consumed on a connection where nothing else was: which ones cannot be told."


def keep_books(facts: Facts, client: int) -> Books:
    """Compare what a client sent with what its sessions consumed."""
    stories = facts.of_client(client)
    books = Books([Account(story) for story in stories])
    for account, following in zip(books.accounts, [*stories[1:], None], strict=True):
        _accept(account, following)
    sessions = facts.sessions(client)
    books.sessions = len(sessions)
    marks = _marks(books.accounts)
    timeline: list[int] = []
    last = facts.last_session(client)
    for session in sessions:
        consumed = session.consumed
        if session is not last:
            consumed = consumed[: _covered(facts, stories, session)]
        timeline += _numbers(consumed, marks, books)
    if len(books.accounts) == 1 and timeline == books.accounts[0].accepted:
        return books  # by far the most frequent case
    _compare(books, timeline)
    return books


def _accept(account: Account, following: Story | None) -> None:
    story = account.story
    audio = story.ledger.audio
    until = following.life.audio_from if following is not None else len(audio)
    at, accepted = story.life.audio_from, account.accepted
    number_of_life = story.life.number
    for sent in story.ledger.sent:
        if sent.life != number_of_life or sent.fate != "ok" or sent.item.kind == "tool_response":
            continue
        if sent.after > at:
            accepted += audio[at : sent.after]
            at = sent.after
        accepted.append(sent.item.number)
        account.kinds[sent.item.number] = sent.item.kind
    accepted += audio[at:until]


def _marks(accounts: Sequence[Account]) -> dict[str, list[int]]:
    marks: dict[str, list[int]] = {kind: [] for kind in MARKS}
    for account in accounts:
        for number, kind in account.kinds.items():
            if kind in MARKS:
                marks[kind].append(number)
    return marks


def _covered(facts: Facts, stories: Sequence[Story], session: Session) -> int:
    """How much of a lost session the handle in hand covers: the newest that was read from it, or else presented."""
    for story in reversed(stories):
        read = (update.handle for _, _, update in reversed(story.reads) if update.usable)
        presented = (record.data[1] for record in reversed(story.kinds["open"]))
        for handle in chain(read, presented):
            snapshot = facts.handles.get(handle) if handle is not None else None
            if snapshot is not None and snapshot.session is session:
                return snapshot.length
    return 0


def _numbers(consumed: Sequence[Consumed], marks: dict[str, list[int]], books: Books) -> list[int]:
    """Number what was consumed. On one connection everything is in the order in which it was accepted."""
    numbers: list[int] = []
    unknown: list[tuple[int, str]] = []
    connection = last = 0
    add = numbers.append
    for item in consumed:
        kind = item.kind
        if kind == "audio" and item.connection == connection and not unknown:  # nearly all are
            last = int(item.payload)  # pyright: ignore[reportArgumentType] - bytes
            add(last)
            continue
        if item.connection != connection:
            if unknown:
                _place_after(numbers, unknown, marks, last, books)
            connection, last = item.connection, 0
        if kind == "audio":
            last = int(item.payload)  # pyright: ignore[reportArgumentType] - bytes
        elif kind in MARKS:
            unknown.append((len(numbers), kind))
            numbers.append(0)
            continue
        elif kind == "tool_response":
            continue
        else:
            number = number_of(item.payload)
            if number is None:
                if item.payload != "before":  # a seed
                    books.foreign.append(kind)
                continue
            last = number
        if unknown:
            _place_before(numbers, unknown, marks, last, books)
        numbers.append(last)
    if unknown:
        _place_after(numbers, unknown, marks, last, books)
    return [number for number in numbers if number] if books.foreign else numbers


def _place_before(
    numbers: list[int], unknown: list[tuple[int, str]], marks: dict[str, list[int]], until: int, books: Books
) -> None:
    """Number marks that were consumed right before this item: the last of them is the newest one sent before it."""
    for at, kind in reversed(unknown):
        place = bisect_left(marks[kind], until)
        if place:
            numbers[at] = until = marks[kind][place - 1]
        else:
            books.foreign.append(kind)
    unknown.clear()


def _place_after(
    numbers: list[int], unknown: list[tuple[int, str]], marks: dict[str, list[int]], since: int, books: Books
) -> None:
    """Number marks that were the last on their connection: the first of them is the oldest one sent after this item.

    Where nothing else was consumed on it, the last one is the newest that was sent at all, up to then.
    """
    if not since:
        books.unplaced += len(unknown)
        for at, _ in unknown:
            numbers[at] = -1
        unknown.clear()
        return
    for at, kind in unknown:
        place = bisect_right(marks[kind], since)
        if place < len(marks[kind]):
            numbers[at] = since = marks[kind][place]
        else:
            books.foreign.append(kind)
    unknown.clear()


def _compare(books: Books, timeline: list[int]) -> None:
    counts = Counter(timeline)
    unplaced = counts.pop(-1, 0)
    for account in books.accounts:
        mine = account.accepted
        place = {number: at for at, number in enumerate(mine)}
        missing = [number for number in mine if number not in counts]
        if unplaced:
            missing = _without(missing, account, unplaced)
        account.lost.update(account.kinds.get(number, "audio") for number in missing)
        account.first_lost = missing[0] if missing else 0
        if len(timeline) - unplaced != len(counts):
            twice = [number for number in mine if counts.get(number, 0) > 1]
            account.doubled = sum(counts[number] - 1 for number in twice)
            account.first_doubled = twice[0] if twice else 0
        newest = -1
        for number in counts:  # in the order of their first occurrence
            at = place.get(number)
            if at is not None:
                account.shuffled += at < newest
                newest = max(newest, at)


def _without(missing: list[int], account: Account, unplaced: int) -> list[int]:
    """Leave out as many marks as may have been consumed where they cannot be told apart."""
    marks = [number for number in missing if account.kinds.get(number) in MARKS][:unplaced]
    return [number for number in missing if number not in marks]


def responses(story: Story) -> list[Sent]:
    """The tool responses that were accepted."""
    number = story.life.number
    return [sent for sent in story.ledger.sent if sent.item.ids and sent.life == number and sent.fate == "ok"]
