"""The server as a state machine: time, determinism, and many connections at once."""

from __future__ import annotations

import copy

from relive.testing import server_client as say
from relive.testing.server import FakeLiveServer, Send
from relive.testing.server_client import DirectClient
from relive.testing.server_script import Limits, ServerScript, Updates

SCRIPT = ServerScript(
    limits=Limits(connection=30.0, lead=5.0), updates=Updates(every_seconds=2.0, while_busy="empty"), consume_lag=0.05
)
SOUND = b"\x01\x02" * 160


def run(seed: int, step: float) -> list[str | bytes]:
    """Hold a conversation, letting time pass in steps of this size."""
    c = DirectClient(FakeLiveServer(SCRIPT, seed=seed))
    conn = c.connect()
    for question in ("one", "tool:weather"):
        c.send(conn, say.content(question), say.audio(SOUND))
        for _ in range(round(4.0 / step)):
            c.wait(step)
    c.send(conn, say.tool_response(*c.call_ids(conn)))
    c.wait(60.0)
    return c.frames[conn]


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert run(1, 0.5) == run(1, 0.5)


def test_another_seed_gives_other_handles() -> None:
    assert run(1, 0.5) != run(2, 0.5)


def test_how_often_the_server_is_advanced_changes_nothing() -> None:
    assert run(1, 0.25) == run(1, 4.0)


def test_time_never_runs_backwards() -> None:
    c = DirectClient(FakeLiveServer(), now=100.0)
    conn = c.connect()
    c.now = 50.0
    c.send(conn, say.content("hello"))
    assert c.server.sessions[0].consumed[0].at == 100.0


def test_the_deadline_is_when_something_is_due() -> None:
    server = FakeLiveServer(ServerScript(limits=Limits(audio_session=None)))
    c = DirectClient(server)
    assert server.deadline is None
    conn = c.connect()
    assert server.deadline is None
    c.send(conn, say.content("hello"))
    assert server.deadline == 0.04
    c.wait(100.0)
    assert server.deadline is None


def test_following_the_deadlines_is_enough() -> None:
    c = DirectClient(FakeLiveServer())
    conn = c.connect()
    c.send(conn, say.content("hello"))
    while "turnComplete" not in c.contents(conn):
        deadline = c.server.deadline
        assert deadline is not None
        c.wait(deadline - c.now)
    assert c.now == 0.08


def test_sessions_at_once_do_not_know_each_other() -> None:
    c = DirectClient(FakeLiveServer())
    conns = [c.connect() for _ in range(5)]
    for conn in conns:
        c.send(conn, say.content(f"I am {conn}"))
    c.server.reset(conns[2], c.now)
    c.wait(1.0)
    assert c.server.live == (1, 2, 4, 5)
    texts = [session.emitted[0].text for session in c.server.sessions if session.emitted[0].ended == "completed"]
    assert texts == [f"turn 1: I am {conn}" for conn in (1, 2, 4, 5)]


def test_outputs_are_taken_once_and_in_order() -> None:
    server = FakeLiveServer()
    conn = server.dial(say.DEVELOPER_PATH, {}, 0.0)
    assert isinstance(conn, int)
    server.receive(conn, say.setup(), 0.0)
    server.inject(conn, "x", 0.0)
    first, second = server.take()
    assert isinstance(first, Send)
    assert second == Send(conn, "x")
    assert server.take() == []


def test_a_server_can_be_copied_in_the_middle_of_a_turn() -> None:
    c = DirectClient(FakeLiveServer())
    conn = c.connect()
    c.send(conn, say.content("hello"))
    other = copy.deepcopy(c)
    for each in (c, other):
        each.wait(10.0)
    assert c.frames == other.frames
    assert other.server.sessions[0] is not c.server.sessions[0]


def test_a_long_run_of_audio_leaves_one_timer() -> None:
    c = DirectClient(FakeLiveServer(ServerScript(limits=Limits(audio_session=None))))
    conn = c.connect()
    for _ in range(1000):
        c.send(conn, say.audio(SOUND))
        c.wait(0.02)
    (session,) = c.server.sessions
    assert len(session.audio()) == 1000
    assert session.emitted == ()
    c.wait(1.0)
    assert session.emitted[0].said.audio_frames == 1000
