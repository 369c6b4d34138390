"""What writes a history down: around the machine, around the link, around the store."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any, Final, cast

from relive.core.checkpoint import Checkpoint
from relive.core.compiled import Compiled
from relive.core.effects import Transition
from relive.core.journal import Frame
from relive.core.scene import Scene
from relive.core.schema import Table
from relive.core.table import TABLE
from relive.ports import Connection, ConnectionGone, Notice, Opening, Stored
from relive.stores.memory import MemoryStore
from relive.testing.host_memory import MemoryLink
from relive.testing.simulation.history import Dialled, History, Life
from relive.testing.simulation.stage import Store
from relive.testing.simulation.user import CHUNK, hear, message_of
from relive.transports.memory import MemoryTransport

_FINAL: Final = ("CLOSED", "FAILED")
_COMPILED: Final = Compiled(TABLE)
_STRETCH: Final = 10.0
"Seconds whose frames are counted together, at most as long as somebody talks."


class Scribe:
    """Writes for one process of a client, until it crashes.

    Args:
        history: where to.
        client: its number.
        now: seconds since the beginning.
        entered: told of each state that the session comes into.
    """

    def __init__(
        self, history: History, life: Life, now: Callable[[], float], entered: Callable[[int, str], None]
    ) -> None:
        self.history = history
        self.life = life
        self.client = life.client
        self.now = now
        self.mute = False
        "The process has crashed: nothing that it does happens."
        self.conn = 0
        self.read: deque[bytes] = deque()
        "Frames read that were not yet delivered."
        self.kept_back = 0
        "Frames read that were passed over: output, and"
        self.kept_back_control = 0
        "others."
        self.made = 0
        "Frames delivered that were never read, of the kinds that relive makes."
        self.flow = [0, 0, 0, 0]
        "In this stretch: frames sent, written, read, delivered."
        self.since = now()
        "When it began, and"
        self.until = self.since + _STRETCH
        "when it is to be cut."
        self.clog: asyncio.Future[None] | None = None
        "While it is there, the socket takes nothing."
        self._entered = entered

    def note(self, kind: str, what: str, data: Any = None) -> None:
        """Write something down."""
        if not self.mute:
            self.history.add(self.now(), self.client, self.conn, kind, what, data)

    def cut(self, now: float, waiting: int, written: int) -> None:
        """Write down the frames of the stretch that ends now, and how much is in the journal. Another one begins."""
        if not self.mute and any(self.flow):
            self.history.add(self.since, self.client, self.conn, "flow", "", (*self.flow, waiting, written))
        self.flow = [0, 0, 0, 0]
        self.since = now
        self.until = now + _STRETCH

    @contextmanager
    def opening(self, opening: Opening) -> Generator[None]:
        """A connection is opened meanwhile: write down that, and whether it is up at the end, or what became of it."""
        name = self.history.name(opening.handle)
        self.note("open", "resume" if opening.handle else "fresh", [opening.number, name, opening.seeded])
        try:
            yield
        except ConnectionGone as gone:
            drop = gone.drop
            self.note("refused", drop.origin, [opening.number, drop.code, drop.status, drop.reason])
            raise
        except BaseException:
            self.note("refused", "given up", [opening.number, None, None, ""])
            raise
        self.note("up", "", [opening.number])

    async def lets_out(self) -> bool:
        """A frame is to be sent: wait while the socket is clogged, and count it. The dead send nothing."""
        while self.clog is not None:
            await asyncio.shield(self.clog)
        if not self.mute:
            self.flow[1] += 1
        return not self.mute

    def has_read(self, frame: bytes) -> None:
        """A frame was read."""
        self.flow[2] += 1
        self.read.append(frame)
        if self.life.state in _FINAL:
            self.life.read_late += 1
        if not frame.startswith(CHUNK):
            self._note_read(frame)

    def _note_read(self, frame: bytes) -> None:
        """Write down what a frame of the server says, in short."""
        message = message_of(frame)
        if message is None:
            self.note("read", "garbage")
            return
        for key, value in message.items():
            detail: Any = None
            if value is None:
                self.note("read", "garbage")
                continue
            if key == "sessionResumptionUpdate" and isinstance(value, dict):
                update = cast("dict[str, Any]", value)
                handle = update.get("newHandle")
                detail = [self.history.name(handle or None), bool(update.get("resumable")),
                          update.get("lastConsumedClientMessageIndex")]  # fmt: skip
            elif key == "serverContent" and isinstance(value, dict):
                detail = sorted(cast("dict[str, Any]", value))
            elif key == "goAway" and isinstance(value, dict):
                detail = cast("dict[str, Any]", value).get("timeLeft")
            elif key == "toolCall" and isinstance(value, dict):
                detail = [call.get("id") for call in cast("dict[str, Any]", value).get("functionCalls") or ()]
            elif key == "toolCallCancellation" and isinstance(value, dict):
                detail = cast("dict[str, Any]", value).get("ids")
            self.note("read", key, detail)

    def delivered(self, frame: bytes) -> str:
        """Compare a frame with what was read. Returns what is wrong with it, nothing if it is right."""
        self.flow[3] += 1
        read = self.read
        if read and read[0] is frame:
            read.popleft()
            return ""
        # By identity: a frame of ours may say what one says that was read.
        place = next((number for number, one in enumerate(read) if one is frame), None)
        if place is None:
            return self._unread(frame)
        for _ in range(place):
            self._passed(read.popleft())
        read.popleft()
        return ""

    def _unread(self, frame: bytes) -> str:
        what = hear(frame)
        if what.interrupted or what.over or what.cancelled:
            self.made += 1
            self.note("made", "interrupted" if what.interrupted else "turn_complete" if what.over else "cancelled")
            return ""
        # A frame that says more than GoAway comes without it.
        for read in self.read:
            if b"goAway" in read:
                message = json.loads(read)
                message.pop("goAway", None)
                if message == json.loads(frame):
                    self.read.remove(read)
                    return ""
        return f"a frame was delivered that was never read: {frame[:60]!r}"

    def _passed(self, frame: bytes) -> None:
        if frame.startswith(CHUNK):
            self.kept_back += 1
        else:
            self.kept_back_control += 1

    def all_delivered(self) -> None:
        """Count what was read and not delivered to the end."""
        while self.read:
            self._passed(self.read.popleft())

    def transition(self, transition: Transition) -> None:
        """A transition was reported."""
        step = transition
        if self.mute:
            return
        verdict = None
        if step.dest == "ACTIVE" and step.verdict is not None and step.event == "ConnectionOpened":
            v = step.verdict
            self.life.verdicts.append(v)
            verdict = [v.kind, v.reason, v.replayed, v.dropped, v.uncertain]
        self.note(
            "transition",
            f"{step.source} → {step.dest}",
            [step.event, step.connection, step.at - self.history.began, verdict],
        )

    def notice(self, notice: Notice) -> None:
        """A notice was given."""
        self.note("notice", notice.what, notice.detail)

    def stepped(self, source: str, trigger: str, dest: str, event: object, scene: Scene) -> None:
        """The machine made a step."""
        if self.mute:
            return
        history, now = self.history, self.now()
        history.steps[source, trigger, dest] += 1
        if trigger == "Heard":
            self.life.signs.append(now)
            return
        waiting, written = len(scene.journal.waiting), len(scene.journal.written)
        if source != dest:
            self.cut(now, waiting, written)
        self.conn = scene.situation.number
        data = [source, dest, waiting, written, getattr(event, "index", None)]
        history.add(now, self.client, self.conn, "step", trigger, data)
        if source != dest:
            self.life.state = dest
            self._entered(self.client, dest)


class Recording:
    """The compiled machine, and a scribe who sees every step."""

    __slots__ = ("_machine", "_scribe", "answers", "table")

    def __init__(self, scribe: Scribe, machine: Compiled = _COMPILED) -> None:
        self.table: Table[Any, Any, Any] = machine.table
        self.answers = machine.answers
        self._machine = machine
        self._scribe = scribe

    def step(self, scene: Scene, trigger: str, event: object) -> None:
        """Take one step."""
        source = scene.situation.state
        self._machine.step(scene, trigger, event)
        self._scribe.stepped(source, trigger, scene.situation.state, event, scene)


class RecordingTransport(MemoryTransport):
    """Opens connections in memory, and writes down what passes."""

    def __init__(self, dial: Callable[[], Awaitable[MemoryLink]], scribe: Scribe, **options: Any) -> None:
        async def tapped() -> _Tap:
            link = await dial()
            scribe.history.dialled[link.conn] = Dialled(scribe.client, scribe.life.number, scribe.conn)
            return _Tap(link, scribe)

        super().__init__(cast("Any", tapped), **options)
        self._scribe = scribe

    async def open(self, opening: Opening) -> Connection:
        """Open a connection."""
        scribe = self._scribe
        if scribe.mute:
            await asyncio.get_running_loop().create_future()  # the dead do not dial
        with scribe.opening(opening):
            return await super().open(opening)


class _Tap:
    """Our end of a link, with somebody who reads along."""

    __slots__ = ("_end", "_link", "_scribe", "_setup")

    def __init__(self, link: MemoryLink, scribe: Scribe) -> None:
        self._link = link
        self._scribe = scribe
        self._setup = True
        self._end = False

    @property
    def writable(self) -> bool:
        return self._link.writable and self._scribe.clog is None

    async def send(self, frame: Frame) -> None:
        if await self._scribe.lets_out():
            try:
                await self._link.send(frame)
            except Exception as exc:
                self._note_end(exc)
                raise

    async def recv(self) -> bytes:
        try:
            frame = await self._link.recv()
        except Exception as exc:
            self._note_end(exc)
            raise
        if self._setup:
            self._setup = False
            return frame
        self._scribe.has_read(frame)
        return frame

    def _note_end(self, exc: Exception) -> None:
        if not self._end:
            self._end = True
            self._scribe.note("gone", "", [getattr(exc, "code", None), getattr(exc, "reason", "")])

    async def ping(self) -> object:
        return await self._link.ping()

    async def close(self) -> None:
        self._scribe.note("left", "close")
        await self._link.close()

    def abort(self) -> None:
        if self._link.closed is None:
            self._scribe.note("left", "abort")
        self._link.abort()


class SimulatedStore:
    """A store in memory that can be slow, fail, or lose what it was given last.

    Args:
        behaviour: how it behaves.
        wall: the wall clock.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        behaviour: Store,
        wall: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.store = MemoryStore(wall=wall)
        self._sleep = sleep
        self._behaviour = behaviour
        self._older: dict[str, Stored | None] = {}
        self._wall = wall

    def at(self, scribe: Scribe) -> _StoreOf:
        """The store as one process sees it."""
        return _StoreOf(self, scribe)

    async def pass_time(self) -> None:
        """Be as slow as it is now, and fail if it does."""
        if self._behaviour.delay:
            await self._sleep(self._behaviour.delay)
        if self._behaviour.failing:
            raise OSError("the store is down")

    async def keep_older(self, key: str) -> None:
        """Remember what is there before it is written over."""
        self._older[key] = await self.store.load(key)

    async def lose(self, key: str, how: str) -> None:
        """Lose everything, or what came last."""
        older = self._older.get(key)
        await self.store.delete(key)
        if how == "stale" and older is not None and older.checkpoint is not None:
            await self.store.save(key, older.checkpoint, generation=(0, 0), ttl=7200.0)


class _StoreOf:
    """What one process of a client does with the store."""

    def __init__(self, shared: SimulatedStore, scribe: Scribe) -> None:
        self._shared = shared
        self._scribe = scribe

    async def load(self, key: str) -> Stored | None:
        await self._shared.pass_time()
        found = await self._shared.store.load(key)
        checkpoint = found.checkpoint if found is not None else None
        name = self._scribe.history.name(checkpoint.handle if checkpoint is not None else None)
        self._scribe.note("load", name or "")
        return found

    async def save(self, key: str, checkpoint: Checkpoint, *, generation: tuple[int, int], ttl: float) -> bool:
        await self._shared.pass_time()
        if self._scribe.mute:
            return True
        await self._shared.keep_older(key)
        kept = await self._shared.store.save(key, checkpoint, generation=generation, ttl=ttl)
        self._scribe.note("save", self._scribe.history.name(checkpoint.handle) or "", kept)
        return kept

    async def condemn(self, key: str, digest: str, *, ttl: float) -> None:
        await self._shared.pass_time()
        if not self._scribe.mute:
            self._scribe.note("condemn", digest[:10])
            await self._shared.store.condemn(key, digest, ttl=ttl)

    async def delete(self, key: str) -> None:
        await self._shared.store.delete(key)

    async def aclose(self) -> None:
        return None
