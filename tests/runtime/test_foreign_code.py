"""What is plugged in raises, hangs, or returns nonsense: the session goes on, or fails with an error; nobody hangs."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from tests.runtime.puppets import (
    DONE,
    RESET,
    Shelf,
    Witness,
    failed,
    go_away,
    left_behind,
    moment,
    now,
    playing,
    simulated,
    staged,
    text,
    update,
)

from relive.clock import LoopClock
from relive.core import events as ev
from relive.core.closes import Dropped
from relive.core.policy import Policy
from relive.errors import CommandError, SessionFailed

CALM = Policy(stable_after=0.5, probe=False)
QUICK = Policy(stable_after=0.5)


@simulated
async def test_a_transport_that_raises_or_returns_nonsense_fails_the_session_with_its_cause() -> None:
    for instead in (ValueError("no such setting"), None):
        play = staged()
        if instead is not None:
            play.exchange.raises["open"] = instead
        else:
            play.exchange.instead = "nonsense"
        with pytest.raises(SessionFailed) as caught:
            await play.runtime.start()
        assert play.state == "FAILED"
        assert caught.value.__cause__ is instead or isinstance(caught.value.__cause__, AttributeError)
        assert left_behind() == []


@simulated
async def test_a_cause_that_would_tell_the_handle_is_not_told() -> None:
    """P5."""
    for refusal in (None, Dropped(1007, "no such thing: CANARY", "opening")):
        play = staged(policy=Policy(classify=lambda _drop, _judgement: "fatal"))
        if refusal is None:
            play.exchange.raises["open"] = ValueError("CANARY is not valid")
        else:
            play.exchange.refusals.append(refusal)
        with pytest.raises(SessionFailed) as caught:
            await play.runtime.start("CANARY")
        assert caught.value.__cause__ is None
        assert "CANARY" not in f"{caught.value} {caught.value!r}"
        assert "…" in str(caught.value)


@simulated
async def test_a_preparation_that_fails_or_hangs_holds_nothing_up() -> None:
    for verb in ("hung", "raises"):
        async with playing(policy=CALM) as play:
            if verb == "hung":
                play.exchange.hung.add("prepare")
            else:
                play.exchange.raises["prepare"] = ValueError("no credentials")
            play.wire.says(update("one"), go_away(3))
            await asyncio.sleep(60)
            assert play.state == "ACTIVE"
            assert len(play.exchange.wires) == 2
            assert [name for name in left_behind() if "prepare" in name] == []


class BrokenClock(LoopClock):
    broken = False

    def now(self) -> float:
        if self.broken:
            raise OSError("no time")
        return super().now()


@simulated
async def test_a_clock_that_breaks_ends_the_session_although_the_machine_cannot_be_told() -> None:
    clock = BrokenClock(seed=1)
    async with playing(policy=QUICK, clock=clock) as play:
        clock.broken = True
        await asyncio.sleep(10)
        error = await failed(play)
        assert isinstance(play.runtime._culprit, OSError)
        assert error.failure.detail == "something raised that may not; the log says what"
        with pytest.raises(SessionFailed):
            await play.channel.send(text("hello"))
        await play.runtime.close()
        play.runtime.tell(ev.CloseRequested())
        assert play.runtime._timer is None


@pytest.mark.parametrize(("fact", "end"), [("SeedAnswered", "CLOSED"), ("InputAccepted", "FAILED")])
@simulated
async def test_a_machine_that_breaks_ends_the_session_also_where_no_connection_is_to_blame(fact: str, end: str) -> None:
    """A guard or an action of an embedder's may raise; the user's `send` does not."""
    play = staged(policy=CALM)
    play.runtime.lifecycle = _Sabotaged(play.runtime.lifecycle, fact)  # type: ignore[assignment]
    await play.runtime.start()
    await play.channel.send(text("hello"))
    await asyncio.sleep(1)
    play.wire.ends()
    await moment()
    assert play.state == end
    assert (await failed(play)).failure.cause == "internal"


class _Sabotaged:
    """A lifecycle that cannot handle one kind of fact."""

    def __init__(self, lifecycle: Any, fact: str) -> None:
        self._lifecycle = lifecycle
        self._fact = fact

    def handle(self, fact: Any, *rest: Any) -> Any:
        if type(fact).__name__ == self._fact:
            raise RuntimeError("a bug")
        return self._lifecycle.handle(fact, *rest)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lifecycle, name)


@simulated
async def test_an_order_that_cannot_be_performed_does_not_keep_the_others_from_being_performed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken() -> bytes:
        raise RuntimeError("a bug")

    monkeypatch.setattr("relive.core.wire.interrupted", broken)
    async with playing(policy=CALM) as play:
        await play.channel.send(text("hello"))
        play.runtime.tell(ev.ConnectionDropped(1, RESET))
        assert play.wire.aborted
        assert (await failed(play)).failure.cause == "internal"


@simulated
async def test_a_user_function_that_classifies_badly_is_not_followed() -> None:
    for said_ in ("nonsense", None):

        def classify(_drop: Any, _judgement: Any, said_: Any = said_) -> Any:
            return said_ or {}["missing"]

        async with playing(policy=Policy(stable_after=0.5, classify=classify)) as play:
            play.wire.says(update("one"))
            await asyncio.sleep(1)
            play.wire.ends()
            await asyncio.sleep(1)
            assert play.state == "ACTIVE"


async def lost(play: Any) -> None:
    await play.channel.send(text("hello"))
    await asyncio.sleep(1)
    play.wire.ends()
    await asyncio.sleep(8)


@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        ("a string", ["seed_error"]),
        ((1, 2), ["seed_error"]),
        (7, ["seed_error"]),
        (ValueError("no"), ["seed_error"]),
        (("{}", "{}"), []),
        ((), []),
        ([], []),
    ],
)
@simulated
async def test_a_hook_that_raises_or_returns_nonsense_means_the_default(answer: Any, trouble: list[str]) -> None:
    """P19."""

    async def hook(reason: str, transcript: object) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with playing(policy=CALM, seed=hook) as play:
        await lost(play)
        assert str(play.runtime.lifecycle.verdict) == "not_restored(no_handle)"
        assert play.witness.troubles == trouble
        assert play.wire.taken == [*(() if trouble else answer), text("hello")]


@pytest.mark.parametrize("stubborn", [False, True])
@simulated
async def test_a_hook_that_never_returns_is_not_waited_for(*, stubborn: bool) -> None:
    """P19."""
    held = asyncio.Event()

    async def hook(reason: str, transcript: object) -> tuple[str, ...]:
        while not held.is_set():
            try:
                await held.wait()
            except asyncio.CancelledError:
                if not stubborn:
                    raise
        return ("{}",)

    async with playing(policy=CALM, seed=hook) as play:
        await lost(play)
        assert play.state == "ACTIVE"
        assert play.witness.troubles == ["seed_unused"]
        held.set()
        await moment()
        assert play.wire.taken == [text("hello")]


@simulated
async def test_an_answer_that_comes_too_late_is_not_taken_for_that_to_the_next_loss() -> None:
    late, prompt = asyncio.Event(), asyncio.Event()
    asked: list[str] = []

    async def hook(reason: str, transcript: object) -> tuple[str, ...]:
        asked.append(reason)
        if len(asked) > 1:
            await prompt.wait()
            return ('{"prompt": 1}',)
        while not late.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await late.wait()
        return ('{"late": 1}',)

    async with playing(policy=CALM, seed=hook) as play:
        await lost(play)
        play.wire.ends()
        await moment()
        assert (play.state, len(asked)) == ("HANDLE_EXPIRED", 2)
        late.set()
        await moment()
        assert play.state == "HANDLE_EXPIRED"
        prompt.set()
        await moment()
        assert play.wire.taken[0] == '{"prompt": 1}'


@simulated
async def test_a_hook_may_refuse() -> None:
    """P19."""

    async def hook(reason: str, transcript: object) -> None:
        return None

    async with playing(policy=CALM, seed=hook) as play:
        await lost(play)
        assert (await failed(play)).failure.cause == "seed_refused"


@simulated
async def test_observers_that_raise_harm_nobody() -> None:
    """P23."""

    class Bad(Witness):
        def transition(self, transition: Any) -> None:
            raise ValueError("no")

        def notice(self, notice: Any) -> None:
            raise asyncio.CancelledError

    async with playing(policy=CALM, observers=[Bad()]) as play:
        await moment()
        play.runtime.notice("something", "happened")
        await moment()
        play.runtime.notice("something", "else")
        await moment()
        play.wire.says(DONE)
        assert await play.channel.recv() == DONE
        assert play.witness.troubles == ["something", "something"]
        assert play.witness.states == ["CONNECTING", "ACTIVE"]


@pytest.mark.parametrize(
    "answer", ["nonsense", 7, type("Odd", (), {"checkpoint": "x", "condemned": ()})()], ids=["str", "int", "odd"]
)
@simulated
async def test_a_store_that_returns_nonsense_could_not_be_read(answer: Any) -> None:
    """P4."""
    shelf = Shelf()
    shelf.answers = answer
    async with playing(policy=CALM, store=shelf, key="ada") as play:
        assert str(play.runtime.lifecycle.verdict) == "not_restored(store_unavailable)"
        await moment()
        assert play.witness.troubles == ["store_error"]


@simulated
async def test_a_load_that_hangs_is_counted_and_leaves_no_task() -> None:
    """P4."""
    shelf = Shelf()
    shelf.hung.add("load")
    began = now()
    async with playing(policy=CALM, store=shelf, key="ada") as play:
        assert now() - began == 2.0
        await moment()
        assert play.runtime.stats().store_errors == 1
        assert [name for name in left_behind() if "load" in name] == []


@simulated
async def test_a_command_that_cannot_be_obeyed_is_the_callers_fault_and_changes_nothing() -> None:
    async with playing(policy=CALM) as play:
        with pytest.raises(CommandError, match="the session is ACTIVE"):
            play.runtime.tell(ev.ConnectRequested())
        play.wire.says(DONE)
        assert await play.channel.recv() == DONE
