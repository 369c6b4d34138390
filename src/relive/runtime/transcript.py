"""What was said, for the application's hook: the pieces of an utterance joined, the newest utterances kept."""

from __future__ import annotations

from typing import Final

from relive.ports import Said

_UTTERANCES: Final = 200
"Kept for the application's hook."
_LONGEST: Final = 10_000
"Letters of an utterance; what goes on for longer is told as several."


class Transcript:
    """The newest part of a conversation. Holds nothing unless it is to `remember`."""

    __slots__ = ("_open", "_said")

    def __init__(self, *, remember: bool) -> None:
        # With the position in the journal of what was written, 0 for what was heard. No list where nothing is kept: in
        # a thousand sessions that would be seen.
        self._said: list[tuple[Said, int]] | None = [] if remember else None
        self._open: tuple[str, int] | None = None

    def so_far(self, oldest: int) -> tuple[Said, ...]:
        """Who said what, oldest first; less what waits for an answer and will be said again anyway.

        That is what was written last and is still in the journal, whose `oldest` frame has this position. A seed that
        ended with it would have it asked twice.
        """
        told = list(self._said or ())
        while told and told[-1][1] >= oldest:
            told.pop()
        return tuple(said for said, _ in told)

    def wrote(self, role: str, text: str, position: int) -> None:
        """A whole utterance; or a frame in which nothing is said, which is none."""
        if text and self._said is not None:
            self._open = None
            self._add(self._said, role, text, position)

    def heard(self, role: str, text: str, connection: int) -> None:
        """A piece of an utterance: of the one in progress, if voice and connection are the same."""
        if self._said is None:
            return
        if self._open == (role, connection) and self._said and len(self._said[-1][0].text) < _LONGEST:
            text = self._said.pop()[0].text + text
        self._open = role, connection
        self._add(self._said, role, text, 0)

    def turn_ended(self) -> None:
        """What is said from now on is another utterance."""
        self._open = None

    def _add(self, told: list[tuple[Said, int]], role: str, text: str, position: int) -> None:
        told.append((Said(role, text), position))
        del told[:-_UTTERANCES]
