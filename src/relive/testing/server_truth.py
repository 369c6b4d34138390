"""The ground truth: what the fake server consumed, on which timeline, and what it answered.

A session's history is a tree. Resuming from a handle starts a new branch at the point where the handle was made, and
what the old branch held after that point is rolled back. Only the branch of the newest connection survives. Making a
handle copies nothing: it notes a branch and a length.
"""

from __future__ import annotations

import zlib
from typing import Final, Literal, TypeAlias, get_args

import attrs

from relive.testing.server_model import TurnInput

Kind: TypeAlias = Literal[
    "audio",
    "video",
    "text",
    "content",
    "activity_start",
    "activity_end",
    "stream_end",
    "tool_response",
    "context_update",
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
Payload: TypeAlias = bytes | str | tuple[str, ...]


@attrs.define(unsafe_hash=True, weakref_slot=False)
class Consumed:
    """One thing that the server took from a client message.

    Nobody changes it; it is not frozen because that is slow.
    """

    kind: Kind
    "What it is."
    payload: Payload = attrs.field(repr=lambda p: f"<{len(p)} bytes>" if isinstance(p, bytes) else repr(p))
    "Decoded bytes of audio and video, the words of text and content, the ids of tool responses; empty for marks."
    connection: int
    "Number of the connection that it came on."
    index: int
    "Index of its message on that connection; the first message after the setup is 1."
    at: float
    "When it was consumed, in seconds of the server's clock."


@attrs.define(eq=False)
class Emitted:
    """One answer; it grows until it has ended."""

    said: TurnInput
    "What was answered."
    connection: int
    "Number of the connection that it went out on."
    calls: tuple[str, ...] = ()
    "Ids of the tool calls so far."
    ended: Literal["", "completed", "interrupted", "lost", "silent", "swallowed"] = ""
    """How it ended: with `turnComplete`; interrupted; its connection ended before it; the model chose silence; a stray
    tool response ended it without a word. Empty while it runs."""
    written: list[str] = attrs.field(factory=list[str], repr=False)
    "Its text chunks so far."
    spoken: list[bytes] = attrs.field(factory=list[bytes], repr=lambda chunks: f"<{sum(map(len, chunks))} bytes>")
    "Its audio chunks so far."

    @property
    def turn(self) -> int:
        """Number of the turn in its context."""
        return self.said.turn

    @property
    def text(self) -> str:
        """All text so far."""
        return "".join(self.written)

    @property
    def audio(self) -> bytes:
        """All audio so far."""
        return b"".join(self.spoken)


@attrs.define(eq=False)
class Branch:
    """What one connection consumed, and where it continues from."""

    parent: Branch | None = attrs.field(repr=False)
    "The branch that it continues, None for a fresh session."
    start: int
    "How many items of its parent's timeline come before it."
    turns: int
    "How many turns had been begun before it."
    items: list[Consumed] = attrs.field(factory=list[Consumed], repr=False)
    "What was consumed on it."

    @property
    def length(self) -> int:
        """Items on the whole timeline up to now."""
        return self.start + len(self.items)

    def chain(self) -> list[tuple[Branch, int]]:
        """Each branch of this timeline, oldest first, and how many of its own items belong to it."""
        chain: list[tuple[Branch, int]] = []
        branch: Branch | None = self
        length = self.length
        while branch is not None:
            chain.append((branch, length - branch.start))
            branch, length = branch.parent, branch.start
        return chain[::-1]


@attrs.define(eq=False)
class Context:
    """What the model remembers, as far as answers depend on it. Small, whatever was said: copying it is cheap."""

    turn: int = 0
    "Turns that were begun."
    written: tuple[str, ...] = ()
    "Text since the last turn."
    audio_frames: int = 0
    "Audio frames since the last turn."
    audio_bytes: int = 0
    "Their bytes."
    audio_crc: int = 0
    "CRC-32 over them."
    activity: bool = False
    "Between `activityStart` and `activityEnd`."
    video: bool = False
    "Video has been consumed."
    size: int = 0
    "Decoded bytes of all input."

    def hear(self, audio: bytes) -> None:
        """Take in one audio frame."""
        self.audio_frames += 1
        self.audio_bytes += len(audio)
        self.audio_crc = zlib.crc32(audio, self.audio_crc)
        self.size += len(audio)

    def read(self, text: str) -> None:
        """Take in one piece of text."""
        self.written = (*self.written, text)
        self.size += len(text.encode())

    def begin_turn(self) -> TurnInput:
        """Count a turn and take what was said for it."""
        self.turn += 1
        said = TurnInput(self.turn, "\n".join(self.written), self.audio_frames, self.audio_bytes, self.audio_crc)
        self.forget_said()
        return said

    def forget_said(self) -> None:
        """Drop what was said since the last turn, from what the next answer depends on."""
        self.written = ()
        self.audio_frames = self.audio_bytes = self.audio_crc = 0

    def copy(self) -> Context:
        """Return another one with the same content."""
        return Context(
            self.turn,
            self.written,
            self.audio_frames,
            self.audio_bytes,
            self.audio_crc,
            self.activity,
            self.video,
            self.size,
        )


@attrs.define(eq=False)
class Session:
    """One conversation, over all its connections. A fresh start after a dead handle is another session."""

    id: str
    "As told in `setupComplete`."
    model: str
    "Model of its setup, without any prefix."
    backend: Literal["developer", "vertex"]
    "Which of the two services."
    started_at: float
    "When its first setup was complete."
    ended_at: float | None = None
    "When its last connection ended; None while one is open."
    over: bool = False
    "It reached its limit: its handles are dead."
    handles_given: int = 0
    "How many handles it was given."
    stray_tool_responses: list[str] = attrs.field(factory=list[str])
    "Ids of responses to calls that were not announced on the connection that the response came on."
    late_tool_responses: list[str] = attrs.field(factory=list[str])
    """Ids of responses to calls of the same connection that nobody waited for any more: cancelled while the response
    was on its way, or responded to before."""
    unsolicited_calls: list[str] = attrs.field(factory=list[str])
    "Ids of calls that were announced outside a turn."
    _connections: list[int] = attrs.field(factory=list[int])
    _open: set[int] = attrs.field(factory=set[int])
    _branches: list[Branch] = attrs.field(factory=list[Branch], repr=False)
    _emitted: list[Emitted] = attrs.field(factory=list[Emitted], repr=False)

    @property
    def connections(self) -> tuple[int, ...]:
        """Numbers of its connections, oldest first."""
        return tuple(self._connections)

    @property
    def is_open(self) -> bool:
        """One of its connections is open."""
        return bool(self._open)

    @property
    def consumed(self) -> tuple[Consumed, ...]:
        """What was consumed on the surviving timeline, in order."""
        items: list[Consumed] = []
        for branch, count in self._chain():
            items += branch.items[:count]
        return tuple(items)

    @property
    def consumed_count(self) -> int:
        """How many items that is, without collecting them."""
        return self._branches[-1].length

    @property
    def rolled_back(self) -> tuple[Consumed, ...]:
        """What was consumed and undone, in order of its consumption within each connection."""
        survived = {id(branch): count for branch, count in self._chain()}
        return tuple(item for branch in self._branches for item in branch.items[survived.get(id(branch), 0) :])

    @property
    def emitted(self) -> tuple[Emitted, ...]:
        """Every answer that was begun, also those rolled back, in order."""
        return tuple(self._emitted)

    @property
    def answers(self) -> tuple[Emitted, ...]:
        """The answers to turns of the surviving timeline, in order: also those that were cut short."""
        connection_of = {id(branch): number for number, branch in zip(self._connections, self._branches, strict=True)}
        # How many turns of each branch survived: those begun before the next branch left it, or all of the newest.
        turns: dict[int, float] = {}
        chain = [branch for branch, _ in self._chain()]
        for branch, following in zip(chain, [*chain[1:], None], strict=True):
            turns[connection_of[id(branch)]] = following.turns if following else float("inf")
        return tuple(answer for answer in self._emitted if answer.turn <= turns.get(answer.connection, 0))

    def payloads(self, kind: Kind) -> tuple[Payload, ...]:
        """Return the payloads of one kind on the surviving timeline, in order; raises `ValueError` for no kind."""
        check_kind(kind)
        return tuple([item.payload for item in self.consumed if item.kind == kind])

    def audio(self) -> tuple[bytes, ...]:
        """Return the decoded audio frames of the surviving timeline, in order."""
        return tuple(item.payload for item in self.consumed if item.kind == "audio" and isinstance(item.payload, bytes))

    def _chain(self) -> list[tuple[Branch, int]]:
        return self._branches[-1].chain()

    def left_by(self, connection: int) -> tuple[Consumed, ...]:
        """What was consumed on the timeline as one of its connections left it, in order, whatever became of it then."""
        branch = self._branches[self._connections.index(connection)]
        return tuple(item for part, count in branch.chain() for item in part.items[:count])

    def entered(self, connection: int, branch: Branch) -> None:
        """Note that a connection owns the session from now on, and continues on this branch."""
        self._connections.append(connection)
        self._open.add(connection)
        self._branches.append(branch)
        self.ended_at = None

    def left(self, connection: int, now: float) -> None:
        """Note that a connection of it has ended."""
        self._open.discard(connection)
        if not self._open:
            self.ended_at = now

    def began(self, answer: Emitted) -> None:
        """Note an answer that begins."""
        self._emitted.append(answer)


@attrs.frozen
class Snapshot:
    """What a handle stands for: the state of a session at one moment, and how it was told."""

    session: Session
    "Whose."
    context: Context = attrs.field(repr=False)
    "A copy of what the model remembered."
    branch: Branch = attrs.field(repr=False)
    "The timeline."
    length: int
    "How much of it: how many consumed items it covers."
    connection: int
    "Number of the connection that it was given on."
    at: float
    "When it was given, in seconds of the server's clock."
    index: int
    "Index of the last client message of that connection that it covers; 0 is the setup. The truth, whatever was told."
    told: int | None
    "The index that came with it; None if none did."


def check_kind(kind: str) -> None:
    """Refuse what is no kind: of that nothing was ever consumed, which would look like a loss."""
    if kind not in KINDS:
        raise ValueError(f"the server consumes nothing of the kind {kind!r}; there are {', '.join(KINDS)}")
