"""Brings the faults of a plan: when, to whom, and when they are over. Performs nothing by itself: see `Stage`."""

from __future__ import annotations

import heapq
import itertools
import json
from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from functools import partial
from math import inf
from operator import attrgetter
from typing import Any, Final, TypeAlias, TypeVar, assert_never, cast

import attrs

from relive.testing.links import Conditions, Line, Way
from relive.testing.server_script import CLOSES, ServerScript
from relive.testing.simulation import faults as f
from relive.testing.simulation.history import History
from relive.testing.simulation.plan import Plan, Step
from relive.testing.simulation.spells import Spells
from relive.testing.simulation.stage import Stage, Store

GARBAGE: Final[dict[str, str | bytes]] = {
    "not_json": '{"serverContent": {"modelTurn": ',
    "not_an_object": '["serverContent"]',
    "unknown_key": '{"weather": {"sunny": true}}',
    "error": '{"error": {"code": 500, "message": "something went wrong"}}',
    "null_go_away": '{"goAway": null}',
    "empty": "{}",
    "not_utf8": b'{"serverContent": "\xff\xfe"}',
}

_CLEAR: Final = Conditions()
_USUAL: Final = Store()

K = TypeVar("K", bound=Hashable)
_WAYS: Final[tuple[Way, Way]] = ("up", "down")
_Condition: TypeAlias = tuple[Way, str]
"A direction, up or down, and a field of its conditions."


@attrs.define(eq=False)
class _Waiting:
    """A step that waits for a state."""

    step: Step
    left: int
    since: float


class Chaos:
    """Brings faults. Call `due` at `deadline`, and `entered` when a session has come into a state.

    Args:
        plan: whose steps.
        stage: who performs them.
        history: where they are noted.
        script: what the server is like when nothing is wrong with it.
    """

    def __init__(self, plan: Plan, stage: Stage, history: History, script: ServerScript) -> None:
        self._plan = plan
        self._stage = stage
        self._history = history
        self._base = script
        self._chance = plan.stream("network")
        self._agenda: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = itertools.count()
        self._waiting: list[_Waiting] = []
        self._conditions = Spells[_Condition](lambda condition: getattr(_CLEAR, condition[1]), self._set_conditions)
        self._store = Spells[str](partial(getattr, _USUAL), self._set_store)
        self._script = Spells[str](self._scripted, self._set_script)
        self._swizzled = Counter[Line[Any]]()
        self._over = False
        for step in plan.steps:
            self._at(step.at, partial(self._begin, step))
        self._at(plan.chaos, self._heal)

    @property
    def deadline(self) -> float:
        """When `due` is to be called next, in seconds since the beginning."""
        return self._agenda[0][0] if self._agenda else inf

    def due(self, now: float) -> None:
        """Bring what is due."""
        while self._agenda and self._agenda[0][0] <= now:
            heapq.heappop(self._agenda)[2](now)

    def entered(self, client: int, state: str, now: float) -> bool:
        """Note a state that a session has come into. Returns whether something will come of it."""
        found = [waiting for waiting in self._waiting if waiting.step.state == state and waiting.since <= now]
        for waiting in found:
            self._trigger(waiting, client, now)
        return bool(found)

    def _at(self, when: float, what: Callable[[float], None]) -> None:
        heapq.heappush(self._agenda, (when, next(self._order), what))

    def _begin(self, step: Step, now: float) -> None:
        if not step.state:
            for number in range(step.times):
                self._at(now + number * step.every, partial(self._strike, step.fault, -1))
            return
        waiting = _Waiting(step, step.times, now)
        self._waiting.append(waiting)
        for client, state in self._stage.states():
            if state == step.state and waiting.left:
                self._trigger(waiting, client, now)

    def _trigger(self, waiting: _Waiting, client: int, now: float) -> None:
        if waiting.since > now or not waiting.left:
            return
        waiting.left -= 1
        waiting.since = now + waiting.step.every
        if not waiting.left:
            self._waiting.remove(waiting)
        self._at(now + waiting.step.delay, partial(self._strike, waiting.step.fault, client))

    def _strike(self, fault: f.Fault, client: int, now: float) -> None:
        if self._over:
            return
        name = type(fault).__name__
        self._history.faults[name] += 1
        self._history.add(now, client, 0, "fault", name, attrs.asdict(fault))
        self._bring(fault, client, now)
        self._stage.flush()

    def _heal(self, now: float) -> None:
        """Faults are over."""
        stage = self._stage
        self._over = True
        self._waiting.clear()
        self._agenda.clear()
        self._history.add(now, -1, 0, "fault", "over")
        server = stage.server
        server.script = self._base
        server.forget_plans()
        stage.network.heal()
        self._set_store(attrs.asdict(_USUAL))
        stage.flush()

    def _clock(self, now: float) -> float:
        """The server's and the network's clock does not begin with the plan."""
        return self._history.began + now

    def _clients(self, client: int) -> list[int]:
        return [number for number, _ in self._stage.states() if client in (-1, number)]

    def _last(self, spells: Spells[K], now: float, seconds: float, changes: Mapping[K, Any]) -> None:
        """Have something differ from the usual for a while."""
        number = spells.begin(changes)
        self._at(now + seconds, lambda _: spells.end(number))

    def _set_conditions(self, changes: Mapping[_Condition, Any]) -> None:
        up, down = ({name: value for (one, name), value in changes.items() if one == way} for way in _WAYS)
        # In one go if it can be: whoever watches the network is told each time.
        found: dict[Way, dict[str, Any]] = {"both": up} if up == down else {"up": up, "down": down}
        for way, changed in found.items():
            if changed:
                self._stage.network.set(way, **cast("Any", changed))

    def _set_store(self, changes: Mapping[str, Any]) -> None:
        for name, value in changes.items():
            setattr(self._stage.store, name, value)

    def _set_script(self, changes: Mapping[str, Any]) -> None:
        """Names with two underscores (``updates__late``) reach into the script's parts."""
        script = self._stage.server.script
        for name, value in changes.items():
            part, _, field = name.rpartition("__")
            changed = {part: attrs.evolve(getattr(script, part), **{field: value})} if part else {name: value}
            script = attrs.evolve(script, **cast("Any", changed))
        self._stage.server.script = script

    def _scripted(self, name: str) -> Any:
        return attrgetter(name.replace("__", "."))(self._base)

    def _bring(self, fault: f.Fault, client: int, now: float) -> None:
        match fault:
            case f.Crash() | f.StepWall() | f.StopReading() | f.Burst() | f.Hangup() | f.Stray() | f.Clog():
                self._to_process(fault, client, now)
            case f.SlowStore() | f.FailingStore() | f.SlowHook():
                self._to_store(fault, now)
            case (
                f.Latency() | f.Bandwidth() | f.Slicer() | f.Hold() | f.Timeout() | f.HalfOpen() | f.ResetPeer()
                | f.LimitData() | f.Truncate() | f.SlowClose() | f.RefuseDial() | f.HangDial() | f.Flap() | f.Swizzle()
            ):  # fmt: skip
                self._to_link(fault, client, now)
            case _:
                self._to_server(fault, client, now)

    def _to_process(
        self,
        fault: f.Crash | f.StepWall | f.StopReading | f.Burst | f.Hangup | f.Stray | f.Clog,
        client: int,
        now: float,
    ) -> None:
        stage, left = self._stage, self._plan.chaos - now
        if isinstance(fault, f.StepWall):
            stage.step_wall(fault.step)
            return
        for number in self._clients(client):
            match fault:
                case f.Crash(store, down):
                    stage.crash(number, store, down)
                case f.StopReading(seconds):
                    stage.stop_reading(number, min(seconds, left))
                case f.Burst(frames):
                    stage.burst(number, frames)
                case f.Hangup():
                    stage.hang_up(number)
                case f.Stray(fact):
                    stage.stray(number, fact)
                case f.Clog(seconds):
                    stage.clog(number, min(seconds, left))
                case _ as never:
                    assert_never(never)

    def _to_store(self, fault: f.SlowStore | f.FailingStore | f.SlowHook, now: float) -> None:
        match fault:
            case f.SlowStore(delay):
                changes = {"delay": delay}
            case f.FailingStore():
                changes = {"failing": True}
            case f.SlowHook(delay):
                changes = {"hook_delay": delay}
        self._last(self._store, now, fault.seconds, changes)

    def _to_link(self, fault: Any, client: int, now: float) -> None:
        network, clock = self._stage.network, self._clock(now)
        match fault:
            case f.Latency(delay, jitter, way, seconds):
                self._set(now, seconds, way, latency=delay, jitter=jitter)
            case f.Bandwidth(rate, way, seconds):
                self._set(now, seconds, way, bandwidth=rate)
            case f.Slicer(size, delay, way, seconds):
                self._set(now, seconds, way, slice_size=size, slice_delay=delay)
            case f.SlowClose(delay, seconds):
                self._set(now, seconds, "both", slow_close=delay)
            case f.Hold(way, seconds):
                self._set(now, seconds, way, held=True)
            case f.RefuseDial(status, times):
                network.refuse_dials(status, times)
            case f.HangDial(times):
                network.hang_dials(times)
            case f.Flap(times, down, up):
                network.flap(clock, times, down, up)
            case f.Swizzle(every):
                self._swizzle(now, every)
            case _:
                for line in self._stage.lines(client):
                    self._to_line(fault, line, clock)

    def _set(self, now: float, seconds: float, way: Way, **changes: Any) -> None:
        """Set conditions for a while."""
        ways = _WAYS if way == "both" else (way,)
        found: dict[_Condition, Any] = {(one, name): value for one in ways for name, value in changes.items()}
        self._last(self._conditions, now, seconds, found)

    def _swizzle(self, now: float, every: float) -> None:
        """Clog one line after the other, and unclog them in another order."""
        lines = list(self._stage.lines(-1))
        for number, line in enumerate(lines):
            self._at(now + number * every, lambda _, line=line: self._hold(line))
        self._chance.shuffle(lines)
        for number, line in enumerate(lines, len(lines)):
            self._at(now + number * every, lambda _, line=line: self._release(line))

    def _hold(self, line: Line[Any]) -> None:
        self._swizzled[line] += 1
        line.hold()

    def _release(self, line: Line[Any]) -> None:
        self._swizzled[line] -= 1
        if not self._swizzled[line]:  # no other swizzle has it
            line.release()

    def _to_line(self, fault: Any, line: Line[Any], clock: float) -> None:
        match fault:
            case f.Timeout(after):
                line.timeout(clock, after)
            case f.HalfOpen(after):
                line.half_open(clock, after)
            case f.ResetPeer(after):
                line.reset_peer(clock, after)
            case f.LimitData(size):
                line.limit_data(size)
            case f.Truncate(way):
                line.truncate(way)
            case _:
                assert_never(fault)

    def _to_server(self, fault: Any, client: int, now: float) -> None:
        server, clock = self._stage.server, self._clock(now)
        match fault:
            case f.HangSetup(times):
                server.hang_next_setup(times)
            case f.SlowSetup(delay, seconds):
                self._last(self._script, now, seconds, {"setup_delay": delay})
            case f.CloseInSetup(cause, times):
                server.close_next_setup(*CLOSES[cause], times)
            case f.CloseAfterSetup(cause, after, times):
                server.close_after_next_setup(*CLOSES[cause], after, times)
            case f.MuteAfterSetup(after, times):
                server.mute_after_next_setup(after, times)
            case f.ExpireHandles():
                server.expire_handles(clock)
            case f.RejectHandles(cause):
                server.reject_handles(*CLOSES[cause], clock)
            case f.PoisonHandles(how, after):
                server.poison_handles(how, after, clock)
            case f.WithholdHandles(seconds):
                self._last(self._script, now, seconds, {"withhold_handles": True})
            case f.LateHandles(delay, seconds):
                self._last(self._script, now, seconds, {"updates__late": delay})
            case f.WrongIndices(anomaly, seconds):
                self._last(self._script, now, seconds, {"updates__index": anomaly})
            case f.RestartServer(handles):
                server.restart(clock, keep_handles=handles == "kept")
            case _:
                for conn in self._stage.conns(client):
                    self._to_connection(fault, conn, clock)

    def _to_connection(self, fault: Any, conn: int, clock: float) -> None:
        server = self._stage.server
        match fault:
            case f.GoAway(time_left, then):
                script = server.script
                server.script = attrs.evolve(script, after_go_away=then)
                server.go_away(conn, time_left, clock)
                server.script = script
            case f.Close(cause):
                server.close(conn, *CLOSES[cause], clock)
            case f.Silence():
                server.mute(conn, clock)
            case f.Duplicate(times):
                server.duplicate_next(conn, times)
            case f.Unsolicited("dead_handle"):
                self._dead_handle(conn, clock)
            case f.Unsolicited("generation_complete"):
                server.inject(conn, '{"serverContent": {"generationComplete": true}}', clock)
            case f.Unsolicited(kind):
                server.unsolicited(conn, cast("Any", kind), clock)
            case f.Garbage(kind):
                server.inject(conn, GARBAGE[kind], clock)
            case _:
                assert_never(fault)

    def _dead_handle(self, conn: int, clock: float) -> None:
        """Have the server give a handle that it has refused, to whom it has refused it."""
        server, dialled = self._stage.server, self._history.dialled
        here, refused = dialled.get(conn), ""
        for admission in server.admissions:
            whose = dialled.get(admission.number)
            if admission.refused and (whose is None or here is None or whose.client == here.client):
                refused = admission.handle or refused
        update = {"newHandle": refused, "resumable": bool(refused)}
        server.inject(conn, json.dumps({"sessionResumptionUpdate": update}), clock)
