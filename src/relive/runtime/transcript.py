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

    __slots__ = ("_open", "_remember", "_said")

    def __init__(self, *, remember: bool) -> None:
        self._remember = remember
        self._said: list[Said] = []
        self._open: tuple[str, int] | None = None

    def so_far(self) -> tuple[Said, ...]:
        """Who said what, oldest first."""
        return tuple(self._said)

    def wrote(self, role: str, text: str) -> None:
        """A whole utterance; or a frame in which nothing is said, which is none."""
        if text:
            self._open = None
            self._add(role, text)

    def heard(self, role: str, text: str, connection: int) -> None:
        """A piece of an utterance: of the one that is in progress, if it is in the same voice and on that connection."""
        if self._open == (role, connection) and self._said and len(self._said[-1].text) < _LONGEST:
            text = self._said.pop().text + text
        self._open = (role, connection)
        self._add(role, text)

    def turn_ended(self) -> None:
        """What is said from now on is another utterance."""
        self._open = None

    def _add(self, role: str, text: str) -> None:
        if self._remember:
            self._said.append(Said(role, text))
            del self._said[:-_UTTERANCES]
