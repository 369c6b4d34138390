"""Tool calls across a loss: what was announced after the checkpoint is rolled back, and comes again by a replay."""

from __future__ import annotations

import asyncio

from google.genai import types
from tests.scenarios.world import World, simulated, world

import relive

QUICK = relive.Policy(stable_after=0.5)


async def next_call(w: World) -> list[types.FunctionCall]:
    """Receive up to a tool call."""
    async for message in w.session.receive():
        w.heard.append(message)
        if message.tool_call is not None:
            return message.tool_call.function_calls or []
    raise AssertionError("the turn ended without a call")


async def call_after_a_handle(w: World, words: str) -> list[types.FunctionCall]:
    """Have tools called in a turn that no handle covers, and let the connection be stable."""
    await w.ask("hello")
    await w.turn()
    await asyncio.sleep(1.0)
    await w.ask(words)
    calls = await next_call(w)
    await asyncio.sleep(1.0)
    return calls


def answers(calls: list[types.FunctionCall]) -> list[types.FunctionResponse]:
    return [types.FunctionResponse(id=call.id, name=call.name, response={"ok": True}) for call in calls]


@simulated
async def test_a_pending_call_is_cancelled_at_once_and_made_again() -> None:
    """P16, P17: the late answer to the old call is not sent, and counted; the new one is answered as ever."""
    async with world(policy=QUICK) as w:
        old = await call_after_a_handle(w, "tool:weather,time")
        w.reset()
        new = await next_call(w)
        cancelled = [m.tool_call_cancellation.ids for m in w.heard if m.tool_call_cancellation is not None]
        assert cancelled == [sorted(str(call.id) for call in old)]
        assert any(m.server_content is not None and m.server_content.interrupted for m in w.heard)
        assert {call.name for call in new} == {call.name for call in old}
        await w.session.send_tool_response(function_responses=answers(old))
        await w.session.send_tool_response(function_responses=answers(new))
        await w.turn()
        session, stats = w.server.sessions[-1], w.session.stats
    assert session.stray_tool_responses == []
    assert stats.dropped_answers == 1


@simulated
async def test_from_a_batch_only_the_unknown_answers_are_taken() -> None:
    """P16."""
    async with world(policy=QUICK) as w:
        old = await call_after_a_handle(w, "tool:weather")
        w.reset()
        new = await next_call(w)
        await w.session.send_tool_response(function_responses=answers([*old, *new]))
        await w.turn()
        session, stats = w.server.sessions[-1], w.session.stats
    assert session.stray_tool_responses == []
    assert (stats.dropped_answers, stats.trimmed_answers) == (0, 1)


@simulated
async def test_an_answer_that_is_given_while_resuming_is_not_sent_to_a_session_that_never_asked() -> None:
    """P16: the reported loss "tool results sent into a session that never asked"."""
    async with world(policy=QUICK) as w:
        old = await call_after_a_handle(w, "tool:weather")
        w.server.refuse_next(503, times=2)
        w.reset()
        await asyncio.sleep(0.01)
        await w.session.send_tool_response(function_responses=answers(old))
        new = await next_call(w)
        await w.session.send_tool_response(function_responses=answers(new))
        assert "turn 2" in await w.turn()
        session = w.server.sessions[-1]
    assert session.stray_tool_responses == []
