"""Handles: when they come, what they cover, and what a resumed session has forgotten."""

from __future__ import annotations

import attrs
import pytest

from relive.testing import server_client as say
from relive.testing.server import FakeLiveServer
from relive.testing.server_client import VERTEX_PATH, DirectClient
from relive.testing.server_script import IndexAnomaly, ServerScript, Updates

SOUND = b"\x01\x02" * 160


def client(updates: Updates, **script: object) -> DirectClient:
    return DirectClient(FakeLiveServer(ServerScript(updates=updates, **script)))  # type: ignore[arg-type]


def updates_of(c: DirectClient, conn: int) -> list[dict[str, object]]:
    return c.messages(conn, "sessionResumptionUpdate")


def indices(c: DirectClient, conn: int) -> list[object]:
    return [update.get("lastConsumedClientMessageIndex") for update in updates_of(c, conn)]


def handle_now(c: DirectClient, conn: int) -> str:
    c.server.update(conn, c.now)
    c.look()
    return c.handles(conn)[-1]


def resume(c: DirectClient, old: int, handle: str) -> int:
    c.hang_up(old)
    return c.connect(handle=handle)


def test_a_handle_comes_late_after_the_turn() -> None:
    c = client(Updates(late=0.5))
    conn = c.connect()
    c.send(conn, say.content("hello"))
    c.wait(0.2)
    assert "turnComplete" in c.contents(conn)
    assert updates_of(c, conn) == []
    c.wait(0.5)
    (update,) = updates_of(c, conn)
    assert update["resumable"] is True
    assert update["newHandle"]


def test_a_handle_comes_every_few_seconds() -> None:
    c = client(Updates(after_turn=False, every_seconds=5.0))
    conn = c.connect()
    c.wait(4.9)
    assert c.handles(conn) == []
    c.wait(10.1)
    assert len(c.handles(conn)) == len(set(c.handles(conn))) == 3


def test_a_handle_comes_every_few_frames() -> None:
    c = client(Updates(after_turn=False, every_frames=10))
    conn = c.connect()
    c.send(conn, *[say.audio(SOUND)] * 35)
    assert len(c.handles(conn)) == 3


def test_a_first_handle_can_come_early_but_not_in_a_resumed_session() -> None:
    c = client(Updates(first_after=1.0, after_turn=False))
    conn = c.connect()
    c.wait(1.0)
    (handle,) = c.handles(conn)
    again = resume(c, conn, handle)
    c.wait(100.0)
    assert updates_of(c, again) == []


def test_a_resumed_session_has_no_handle_before_the_rhythm_gives_one() -> None:
    c = client(Updates())
    conn = c.connect()
    again = resume(c, conn, handle_now(c, conn))
    c.wait(10.0)
    assert updates_of(c, again) == []
    c.send(again, say.content("hello"))
    c.wait(1.0)
    assert len(c.handles(again)) == 1


@pytest.mark.parametrize(
    ("busy", "expected"), [("silent", None), ("empty", {}), ("not_resumable", {"newHandle": "", "resumable": False})]
)
@pytest.mark.parametrize("question", ["hello", "tool:weather"])
def test_no_handle_comes_during_a_turn_or_a_tool_call(busy: str, expected: object, question: str) -> None:
    c = client(Updates(while_busy=busy, every_frames=1, after_turn=False))  # type: ignore[arg-type]
    conn = c.connect()
    c.send(conn, say.content(question), say.audio(SOUND))
    # Once when the turn begins, and once for each frame consumed in it.
    assert updates_of(c, conn) == ([] if expected is None else [expected] * 3)


def test_a_handle_during_a_turn_does_not_hold_that_turn() -> None:
    c = client(Updates(while_busy="handle", after_turn=False))
    conn = c.connect()
    c.send(conn, say.content("hello"))
    again = resume(c, conn, handle_now(c, conn))
    c.wait(10.0)
    assert c.contents(again) == []
    assert c.server.sessions[0].payloads("content") == ("hello",)
    assert c.server.sessions[0].emitted[0].ended == "lost"


def test_resuming_rolls_back_what_was_consumed_after_the_handle() -> None:
    c = client(Updates(after_turn=False))
    conn = c.connect()
    c.send(conn, say.audio(b"1111"))
    handle = handle_now(c, conn)
    c.send(conn, say.audio(b"2222"))
    again = resume(c, conn, handle)
    c.send(again, say.audio(b"3333"))
    (session,) = c.server.sessions
    assert session.audio() == (b"1111", b"3333")
    assert [item.payload for item in session.rolled_back] == [b"2222"]
    assert session.connections == (conn, again)


def test_a_replayed_turn_gets_the_identical_answer() -> None:
    c = client(Updates(after_turn=False))
    conn = c.connect()
    c.send(conn, say.content("one"))
    c.wait(1.0)
    handle = handle_now(c, conn)
    frames = [say.audio(SOUND), say.audio(SOUND[::-1]), say.stream_end()]
    c.send(conn, *frames)
    c.wait(1.0)
    again = resume(c, conn, handle)
    c.send(again, *frames)
    c.wait(1.0)
    first, once, twice = c.server.sessions[0].emitted
    assert once.audio == twice.audio
    assert (once.said, once.turn) == (twice.said, 2)
    assert c.server.sessions[0].answers == (first, twice)


def test_speech_goes_on_over_a_resume() -> None:
    c = client(Updates(after_turn=False))
    conn = c.connect()
    c.send(conn, say.audio(SOUND))
    again = resume(c, conn, handle_now(c, conn))
    c.wait(0.8)
    assert c.server.sessions[0].emitted[0].said.audio_frames == 1
    assert c.contents(conn) == []
    assert c.contents(again)


def test_speech_that_ends_on_both_sides_of_a_handle_has_one_answer() -> None:
    c = client(Updates(after_turn=False))
    conn = c.connect()
    c.send(conn, say.audio(SOUND))
    handle = handle_now(c, conn)
    c.wait(1.0)
    again = resume(c, conn, handle)
    c.wait(1.0)
    (session,) = c.server.sessions
    first, second = session.emitted
    assert (first.connection, second.connection) == (conn, again)
    assert first.audio == second.audio
    assert session.answers == (second,)


def test_a_tool_call_does_not_survive_a_resume() -> None:
    c = client(Updates())
    conn = c.connect()
    handle = handle_now(c, conn)
    c.send(conn, say.content("tool:weather"))
    (call,) = c.call_ids(conn)
    again = resume(c, conn, handle)
    c.send(again, say.tool_response(call))
    c.wait(10.0)
    assert c.contents(again) == []
    assert c.server.sessions[0].stray_tool_responses == [call]


def test_a_tool_call_that_is_announced_again_has_another_id() -> None:
    c = client(Updates())
    conn = c.connect()
    handle = handle_now(c, conn)
    c.send(conn, say.content("tool:weather"))
    again = resume(c, conn, handle)
    c.send(again, say.content("tool:weather"))
    assert c.call_ids(conn) != c.call_ids(again)


def test_the_same_handle_may_be_used_again() -> None:
    c = client(Updates(after_turn=False))
    conn = c.connect()
    handle = handle_now(c, conn)
    for words in ("a", "b", "c"):
        conn = resume(c, conn, handle)
        c.send(conn, say.content(words))
    (session,) = c.server.sessions
    assert session.payloads("content") == ("c",)
    assert [item.payload for item in session.rolled_back] == ["a", "b"]


def test_an_older_and_a_newer_handle_lead_to_different_timelines() -> None:
    c = client(Updates(after_turn=False))
    conn = c.connect()
    c.send(conn, say.audio(b"11"))
    older = handle_now(c, conn)
    c.send(conn, say.audio(b"22"))
    newer = handle_now(c, conn)
    conn = resume(c, conn, older)
    c.send(conn, say.audio(b"33"))
    (session,) = c.server.sessions
    assert session.audio() == (b"11", b"33")
    conn = resume(c, conn, newer)
    assert session.audio() == (b"11", b"22")
    assert [item.payload for item in session.rolled_back] == [b"33"]


def test_what_was_not_consumed_when_the_connection_ended_is_lost() -> None:
    c = client(Updates(after_turn=False), consume_lag=0.3)
    conn = c.connect()
    c.send(conn, say.audio(b"11"))
    c.wait(0.2)
    c.send(conn, say.audio(b"22"))
    c.wait(0.2)
    handle = handle_now(c, conn)
    c.hang_up(conn)
    c.wait(10.0)
    conn = c.connect(handle=handle)
    (session,) = c.server.sessions
    assert session.audio() == (b"11",)
    assert session.rolled_back == ()


def test_the_index_is_a_string_that_counts_the_messages_of_one_connection() -> None:
    c = client(Updates(after_turn=False))
    conn = c.connect(say.setup(transparent=True), path=VERTEX_PATH)
    handle_now(c, conn)
    c.send(conn, say.audio(SOUND), say.audio(SOUND))
    handle = handle_now(c, conn)
    assert indices(c, conn) == ["0", "2"]
    c.hang_up(conn)
    again = c.connect(say.setup(transparent=True, handle=handle), path=VERTEX_PATH)
    c.send(again, say.audio(SOUND))
    handle_now(c, again)
    assert indices(c, again) == ["1"]


def test_the_index_leaves_out_what_is_in_flight() -> None:
    c = client(Updates(after_turn=False), consume_lag=1.0)
    conn = c.connect(say.setup(transparent=True), path=VERTEX_PATH)
    c.send(conn, say.audio(SOUND))
    c.wait(0.5)
    c.send(conn, say.audio(SOUND))
    c.wait(0.5)
    handle_now(c, conn)
    assert indices(c, conn) == ["1"]


def test_without_transparent_there_is_no_index() -> None:
    c = client(Updates())
    conn = c.connect(path=VERTEX_PATH)
    handle_now(c, conn)
    assert indices(c, conn) == [None]


@pytest.mark.parametrize(
    ("anomaly", "expected"),
    [
        ("none", ["1", "2", "3"]),
        ("missing", [None, None, None]),
        ("repeated", ["1", "1", "1"]),
        ("backwards", ["0", "0", "0"]),
        ("too_high", ["1001", "1002", "1003"]),
    ],
)
def test_the_index_can_be_wrong(anomaly: IndexAnomaly, expected: list[object]) -> None:
    c = client(Updates(every_frames=1, index=anomaly))
    conn = c.connect(say.setup(transparent=True), path=VERTEX_PATH)
    c.send(conn, *[say.audio(SOUND)] * 3)
    assert indices(c, conn) == expected


def test_an_index_goes_backwards_when_the_script_changes_on_the_way() -> None:
    c = client(Updates(every_frames=1))
    conn = c.connect(say.setup(transparent=True), path=VERTEX_PATH)
    c.send(conn, *[say.audio(SOUND)] * 3)
    c.server.script = attrs.evolve(c.server.script, updates=Updates(every_frames=1, index="backwards"))
    c.send(conn, say.audio(SOUND))
    assert indices(c, conn) == ["1", "2", "3", "2"]


def test_a_fresh_start_after_a_dead_handle_is_another_session() -> None:
    c = client(Updates())
    conn = c.connect()
    c.send(conn, say.content("one"))
    c.hang_up(conn)
    conn = c.connect()
    c.send(conn, say.content("two"))
    assert [session.payloads("content") for session in c.server.sessions] == [("one",), ("two",)]
    assert c.server.ground_truth("content") == ("one", "two")


def test_no_repr_shows_a_handle() -> None:
    c = client(Updates())
    conn = c.connect()
    c.server.update(conn, c.now)
    outputs = c.server.take()
    c.hang_up(conn)
    handle = "handle-"
    assert handle not in repr(outputs)
    assert handle not in repr(c.server.sessions)
