"""When no handle leads back: the application decides how to go on, and the verdict says what was lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from google.genai import types
from tests.scenarios.world import World, simulated, world

import relive
from relive.ports import Said

QUICK = relive.Policy(stable_after=0.5, seed_timeout=3.0)
Turns = Sequence[types.Content] | None


def said(role: str, text: str) -> types.Content:
    return types.Content(role=role, parts=[types.Part(text=text)])


async def lose_the_handle(w: World) -> None:
    await w.ask("my name is Ada")
    await w.turn()
    await asyncio.sleep(1.0)
    w.act(w.server.expire_handles)
    w.reset()
    await w.session.wait_for("HANDLE_EXPIRED")
    await w.session.wait_for("ACTIVE")


@simulated
async def test_without_a_hook_a_session_begins_afresh_and_says_so() -> None:
    """P19: never ``fresh`` after a loss."""
    async with world(policy=QUICK) as w:
        await lose_the_handle(w)
        assert str(w.session.verdict) == "not_restored(rejected)"
        await w.ask("what is my name?")
        assert await w.turn() == "turn 1: what is my name?"


@simulated
async def test_the_hook_is_asked_once_with_the_reason_and_a_transcript_and_its_turns_go_first() -> None:
    """P19: written are the seed, then the journal."""
    asked: list[tuple[str, tuple[Said, ...]]] = []

    async def seed(reason: str, transcript: tuple[Said, ...]) -> Turns:
        asked.append((reason, transcript))
        return [said("user", "my name is Ada"), said("model", "hello Ada")]

    async with world(policy=QUICK, seed=seed) as w:
        await lose_the_handle(w)
        await w.ask("what is my name?")
        await asyncio.sleep(5.0)
        session = w.server.sessions[-1]
    assert [reason for reason, _ in asked] == ["rejected"]
    assert asked[0][1] == (Said("user", "my name is Ada"), Said("model", "turn 1: my name is Ada"))
    kinds = [(item.kind, item.index) for item in session.consumed]
    assert kinds[0] == ("content", 1)
    assert "Ada" in str(session.consumed[0].payload)


@simulated
async def test_a_seed_made_of_all_that_was_said_has_nothing_asked_twice() -> None:
    """P19: the hook is not told what the journal is about to say again."""

    async def seed(_reason: str, transcript: tuple[Said, ...]) -> Turns:
        return [said(line.role, line.text) for line in transcript]

    async with world(policy=QUICK, seed=seed) as w:
        await w.ask("my name is Ada")
        await w.turn()
        await asyncio.sleep(1.0)
        w.act(w.server.expire_handles)
        w.reset()
        await w.ask("what is my name?")
        assert await w.turn() == "turn 1: what is my name?"
        told = w.server.sessions[-1].payloads("content")
    assert told == ("my name is Ada\nturn 1: my name is Ada", "what is my name?")


@simulated
async def test_a_hook_that_refuses_ends_the_session() -> None:
    """P19: refusing is FAILED, and the error says why."""

    async def seed(_reason: str, _transcript: tuple[Said, ...]) -> Turns:
        return None

    async with world(policy=QUICK, seed=seed) as w:
        with pytest.raises(relive.SessionFailed) as caught:
            await lose_the_handle(w)
        assert caught.value.failure.cause == "seed_refused"
        assert w.session.state == "FAILED"


@simulated
async def test_a_hook_that_raises_or_takes_too_long_is_gone_on_without() -> None:
    """P19: an exception or a timeout means the default."""

    async def broken(_reason: str, _transcript: tuple[Said, ...]) -> Turns:
        raise RuntimeError("no database")

    async def endless(_reason: str, _transcript: tuple[Said, ...]) -> Turns:
        await asyncio.Event().wait()
        return []

    for hook, notice in ((broken, "seed_error"), (endless, "seed_unused")):
        async with world(policy=QUICK, seed=hook) as w:
            await lose_the_handle(w)
            assert str(w.session.verdict) == "not_restored(rejected)"
            await asyncio.sleep(0.1)
            assert notice in [told.what for told in w.notices]


@simulated
async def test_closing_cancels_the_hook() -> None:
    """P19, P21."""
    cancelled = asyncio.Event()

    async def endless(_reason: str, _transcript: tuple[Said, ...]) -> Turns:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return []

    async with world(policy=QUICK, seed=endless) as w:
        await w.ask("hello")
        await w.turn()
        w.act(w.server.expire_handles)
        w.reset()
        await w.session.wait_for("HANDLE_EXPIRED")
        await asyncio.sleep(0.1)
        await w.session.close()
        assert cancelled.is_set()


@simulated
async def test_a_loss_before_any_handle_replays_what_was_said() -> None:
    """P15, P19: nothing was covered, so the fresh session hears all of it; the repeated answer is kept back."""
    from relive.testing.server_script import ServerScript, Updates

    script = ServerScript(updates=Updates(after_turn=False))
    async with world(script, policy=QUICK) as w:
        await w.ask("first")
        assert await w.turn() == "turn 1: first"
        await asyncio.sleep(1.0)
        w.reset()
        await w.session.wait_for("HANDLE_EXPIRED")
        await w.session.wait_for("ACTIVE")
        assert str(w.session.verdict) == "not_restored(no_handle)"
        await asyncio.sleep(2.0)
        await w.ask("second")
        assert await w.turn() == "turn 2: second"
        stats = w.session.stats
    assert stats.frames_replayed == 1
    assert stats.frames_withheld_repeats > 0


@simulated
async def test_a_limit_is_warned_of_and_its_end_is_no_network_fault() -> None:
    """P20: without compression a warning precedes the session limit."""
    from relive.testing.server_script import Limits, ServerScript

    policy = relive.Policy(compress=False, session_limit=100.0, limit_warning=20.0)
    options: dict[str, Any] = {"policy": policy}
    script = ServerScript(limits=Limits(audio_session=100.0))
    async with world(script, compressed=False, **options) as w:
        await w.ask("hello")
        await w.turn()
        await asyncio.sleep(110.0)
        verdict = w.session.verdict
    warned = [notice for notice in w.notices if notice.what == "session_limit"]
    assert len(warned) == 1
    assert warned[0].at == pytest.approx(80.0)
    assert verdict is not None
    assert verdict.kind == "not_restored"
