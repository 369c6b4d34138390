"""What became of every frame and of every answer: what was sent and heard, compared with the server's ground truth.

Input: what the application sent must be on the timeline of the conversation once and in order. Where context was lost
that timeline has a seam: of a dead session it holds what the newest handle covers that we had from it, and then it goes
on with the next session. What a dead session consumed after that handle is not lost: its consumption counts. If the
next session consumed it, too, that is no doubling but the replay at work: it is counted as said again.

Output: each turn of the user must have been answered once, with the chunks that the server's surviving answer has. What
the application was playing when it was told `interrupted` it has thrown away, so it does not count as heard.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TypeAlias

import attrs

from relive.cli.plan import CHUNKS, chunks_in, number_of
from relive.testing.server_truth import Consumed, Session

Chunks: TypeAlias = Sequence[str]
"An answer, as the numbers of its chunks in order."


@attrs.frozen
class Account:
    """Losses and doublings, in both directions. Frames are the application's messages; output is counted in chunks."""

    frames_lost: int
    "Sent, and consumed by no session."
    frames_doubled: int
    "On the timeline more often than sent."
    frames_out_of_order: int
    "On the timeline before something that was sent earlier."
    frames_said_again: int
    "Consumed by a session that died, after its last handle, and once more by the next."
    output_lost: int
    "In the server's answers, or owed by it, and not heard."
    output_doubled: int
    "Heard more often than answered."
    output_out_of_order: int
    "Heard in another place of its answer."

    def good(self, *, indexed: bool) -> bool:
        """Whether nothing was lost or shuffled and, where the server reports message indices, nothing doubled."""
        wrong = self.frames_lost + self.frames_out_of_order + self.output_lost + self.output_out_of_order
        return not wrong and not (indexed and self.frames_doubled + self.output_doubled)


@attrs.frozen
class Timeline:
    """What one session of the server consumed."""

    items: tuple[str, ...]
    covered: int
    "How many of them the newest handle covers that the application was given. Of interest if the session died."


def audio(number: int) -> str:
    """Name a frame of the microphone."""
    return f"audio {number}"


def text(words: str) -> str:
    """Name a typed turn."""
    return f"text {words}"


def end(number: int) -> str:
    """Name the mark of the end of speech: it carries nothing, so it is known by the frame before it."""
    return f"end after audio {number}"


def timelines(sessions: Iterable[tuple[Session, int]]) -> list[Timeline]:
    """Read what sessions consumed; each comes with how much of it is covered."""
    found: list[Timeline] = []
    newest = 0
    for session, covered in sessions:
        items: list[str] = []
        numbers: list[int] = []
        number = newest
        for consumed in session.consumed:
            number, item = _name(consumed, number)
            items.append(item)
            numbers.append(number)
        newest = numbers[covered - 1] if covered else newest
        found.append(Timeline(tuple(items), covered))
    return found


def _name(consumed: Consumed, newest: int) -> tuple[int, str]:
    """Return the number of the newest frame of audio, and the name of what was consumed."""
    match consumed.kind, consumed.payload:
        case "audio", bytes(payload) if (number := number_of(payload)) is not None:
            return number, audio(number)
        case "content", str(words):
            return newest, text(words)
        case "stream_end", _:
            return newest, end(newest)
        case _:
            return newest, f"{consumed.kind} that nobody sent"


def answers(sessions: Iterable[Session]) -> list[list[str]]:
    """Read the server's surviving answers, as chunks."""
    return [
        chunks_in(answer.text, answer.audio)
        for session in sessions
        for answer in session.answers
        if answer.ended == "completed"
    ]


def settle(
    sent: Sequence[str], lines: Sequence[Timeline], heard: Sequence[Chunks], said: Sequence[Chunks], turns: int
) -> Account:
    """Compare what was sent with what was consumed, and what was heard with what was said, over so many turns."""
    history: list[str] = []
    tails: set[str] = set()
    again = 0
    for number, line in enumerate(lines):
        again += len(tails.intersection(line.items))
        alive = number == len(lines) - 1
        history += line.items if alive else line.items[: line.covered]
        tails = tails | set(() if alive else line.items[line.covered :])
    counts = Counter(history)
    place = {item: number for number, item in enumerate(sent)}
    firsts = [place[item] for item in counts if item in place]
    lost_output, doubled_output, shuffled_output = _compare_output(heard, said, turns)
    return Account(
        frames_lost=sum(item not in counts and item not in tails for item in sent),
        frames_doubled=sum(count - (item in place) for item, count in counts.items()),
        frames_out_of_order=sum(earlier > later for earlier, later in pairwise(firsts)),
        frames_said_again=again,
        output_lost=lost_output,
        output_doubled=doubled_output,
        output_out_of_order=shuffled_output,
    )


def _compare_output(heard: Sequence[Chunks], said: Sequence[Chunks], turns: int) -> tuple[int, int, int]:
    lost = doubled = shuffled = 0
    rest = deque(heard)
    before: Chunks | None = None
    for number in range(turns):
        theirs = said[number] if number < len(said) else None
        while rest and rest[0] == before != theirs:  # the answer before, once more: the one to this turn comes after it
            doubled += max(1, len(rest.popleft()))
        ours = before = rest.popleft() if rest else ()
        if theirs is None:
            lost += CHUNKS
            continue
        missing, surplus = Counter(theirs) - Counter(ours), Counter(ours) - Counter(theirs)
        lost += missing.total()
        doubled += surplus.total()
        if not missing and not surplus:
            shuffled += sum(one != other for one, other in zip(ours, theirs, strict=True))
    doubled += sum(max(1, len(ours)) for ours in rest)  # answers, even empty ones, to turns that the user never took
    return lost, doubled, shuffled
