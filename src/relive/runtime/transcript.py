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

    __slots__ = ("_open", "_positions", "_remember", "_said")

    def __init__(self, *, remember: bool) -> None:
        self._remember = remember
        self._said: list[Said] = []
        self._positions: list[int] = []  # in the journal, of what was written; 0 for what was heard
        self._open: tuple[str, int] | None = None

    def so_far(self, oldest: int) -> tuple[Said, ...]:
        """Who said what, oldest first; less what waits for an answer and will be said again anyway.

        That is what was written last and is still in the journal, whose `oldest` frame has this position. A seed that
        ended with it would have it asked twice.
        """
        end = len(self._said)
        while end and self._positions[end - 1] >= oldest:
            end -= 1
        return tuple(self._said[:end])

    def wrote(self, role: str, text: str, position: int) -> None:
        """A whole utterance; or a frame in which nothing is said, which is none."""
        if text:
            self._open = None
            self._add(role, text, position)

    def heard(self, role: str, text: str, connection: int) -> None:
        """A piece of an utterance: of the one that is in progress, if voice and connection are the same."""
        if self._open == (role, connection) and self._said and len(self._said[-1].text) < _LONGEST:
            text = self._said.pop().text + text
            self._positions.pop()
        self._open = (role, connection)
        self._add(role, text, 0)

    def turn_ended(self) -> None:
        """What is said from now on is another utterance."""
        self._open = None

    def _add(self, role: str, text: str, position: int) -> None:
        if self._remember:
            self._said.append(Said(role, text))
            self._positions.append(position)
            del self._said[:-_UTTERANCES], self._positions[:-_UTTERANCES]
