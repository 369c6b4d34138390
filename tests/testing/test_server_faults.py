"""What a server can do to its clients: handles that are worthless, words out of turn, restarts."""

from __future__ import annotations

import attrs
import pytest

from relive.testing import server_client as say
from relive.testing.server import FakeLiveServer
from relive.testing.server_client import VERTEX_PATH, DirectClient
from relive.testing.server_model import EchoModel
from relive.testing.server_script import CLOSES, ServerScript, Updates
from relive.testing.server_unsolicited import UNSOLICITED, Unsolicited

ANSWER = ["modelTurn", "generationComplete", "turnComplete"]
NOT_RESUMABLE = {"newHandle": "", "resumable": False}


def talk(script: ServerScript | None = None) -> tuple[DirectClient, int]:
    c = DirectClient(FakeLiveServer(script or ServerScript(model=EchoModel(chunks=1))))
    return c, c.connect()


def handle_now(c: DirectClient, conn: int) -> str:
    c.server.unsolicited(conn, "handle", c.now)
    c.look()
    return c.handles(conn)[-1]


def say_unasked(c: DirectClient, conn: int, kind: Unsolicited) -> None:
    c.server.unsolicited(conn, kind, c.now)
    c.look()


@pytest.mark.parametrize(
    ("what", "code", "reason"),
    [
        ("session_not_found", 1008, "BidiGenerateContent session not found"),
        ("invalid_handle", 1007, "Invalid session handle"),
        ("entity_not_found", 1008, "Requested entity was not found."),
        ("other_model", 1011, "Internal error occurred."),
        ("handle_in_use", 1011, ""),
        ("deadline_expired", 1011, "Deadline expired before operation could complete."),
        ("operation_aborted", 1008, "The operation was aborted."),
        ("operation_cancelled", 1000, "The operation was cancelled."),
        ("abnormal", 1006, ""),
        ("quota", 1011, "You exceeded your current quota, please check your plan"),
        ("internal_error", 1011, "Internal error encountered."),
        ("unavailable", 1011, "The service is currently unavailable."),
        ("bad_key", 1007, "API key not valid"),
        ("bad_token", 1008, "Method doesn't allow unregistered callers"),
        ("unknown_model", 1008, "models/"),
        ("invalid_argument", 1007, "Request contains an invalid argument."),
        ("unknown_name", 1007, "Invalid JSON payload"),
        ("context_exhausted", 1007, "Request contains an invalid argument."),
        ("wrong_operation", 1008, "Operation is not implemented, or supported, or enabled."),
        ("keepalive", 1011, "keepalive ping timeout"),
    ],
)
def test_every_known_way_to_end_has_a_name(what: str, code: int, reason: str) -> None:
    assert CLOSES[what][0] == code
    assert CLOSES[what][1].startswith(reason)


def test_the_next_setups_can_be_answered_very_late() -> None:
    c = DirectClient(FakeLiveServer(ServerScript(setup_delay=1.0)))
    c.server.delay_next_setup(90.0)
    late, usual = c.connect(), c.connect()
    c.send(late, say.content("early"))
    c.wait(1.0)
    assert (c.messages(late), len(c.messages(usual))) == ([], 1)
    c.wait(89.0)
    assert c.messages(late, "setupComplete")
    assert [session.payloads("content") for session in c.server.sessions] == [(), ("early",)]


def test_handles_can_be_poisoned_so_that_what_comes_up_from_them_dies_each_time() -> None:
    c, conn = talk()
    handle = handle_now(c, conn)
    c.server.poison_handles("die", 1.5, c.now)
    c.hang_up(conn)
    for _ in range(2):
        again = c.connect(handle=handle)
        assert c.messages(again, "setupComplete")
        c.wait(1.4)
        assert again not in c.ends
        c.wait(0.1)
        assert c.ends[again] == CLOSES["internal_error"]
    fresh = c.connect()
    c.wait(10.0)
    assert c.server.live == (fresh,)


def test_handles_can_be_poisoned_so_that_what_comes_up_from_them_stays_mute() -> None:
    c, conn = talk()
    handle = handle_now(c, conn)
    c.server.poison_handles("mute", 0.0, c.now)
    c.hang_up(conn)
    again = c.connect(handle=handle)
    c.send(again, say.content("hello?"))
    c.wait(60.0)
    assert [list(message) for message in c.messages(again)] == [["setupComplete"]]
    assert c.server.sessions[0].consumed == ()
    assert c.server.live == (again,)


def test_poison_is_in_the_handles_given_before_it_only() -> None:
    c, conn = talk()
    poisoned = handle_now(c, conn)
    c.server.poison_handles("die", 1.0, c.now, CLOSES["other_model"])
    good = handle_now(c, conn)
    c.hang_up(conn)
    again = c.connect(handle=poisoned)
    from_poisoned = handle_now(c, again)
    c.wait(1.0)
    assert c.ends[again] == CLOSES["other_model"]
    for handle in (good, from_poisoned):
        conn = c.connect(handle=handle)
        c.wait(10.0)
        assert conn in c.server.live
        c.hang_up(conn)


def test_a_plan_for_a_connection_goes_before_what_its_handle_brings() -> None:
    c, conn = talk()
    handle = handle_now(c, conn)
    c.hang_up(conn)
    c.server.poison_handles("mute", 0.0, c.now)
    c.server.close_after_next_setup(*CLOSES["quota"])
    c.server.delay_next_setup(5.0)
    assert c.ends[c.connect(handle=handle)] == CLOSES["quota"]
    late = c.connect(handle=handle)
    c.wait(5.0)
    c.send(late, say.content("hello?"))
    assert c.messages(late, "setupComplete")
    assert c.server.sessions[0].consumed == ()


@pytest.mark.parametrize("close", [CLOSES["invalid_handle"], CLOSES["entity_not_found"], (None, "")])
def test_handles_can_be_rejected_with_any_words(close: tuple[int | None, str]) -> None:
    c, conn = talk()
    handle = handle_now(c, conn)
    c.server.reject_handles(*close, c.now)
    c.hang_up(conn)
    assert c.ends[c.connect(handle=handle)] == close
    assert c.ends[c.connect(handle=handle)] == close


@pytest.mark.parametrize(("busy", "told"), [("silent", NOT_RESUMABLE), ("empty", {}), ("handle", NOT_RESUMABLE)])
def test_handles_can_be_withheld_for_a_while(busy: str, told: object) -> None:
    updates = Updates(while_busy=busy, every_seconds=10.0, after_turn=False)  # type: ignore[arg-type]
    c, conn = talk(ServerScript(updates=updates))
    c.wait(9.0)
    c.server.script = attrs.evolve(c.server.script, withhold_handles=True)
    c.wait(22.0)
    assert c.messages(conn, "sessionResumptionUpdate") == [told, told, told]
    c.server.script = attrs.evolve(c.server.script, withhold_handles=False)
    assert c.server.deadline == c.now
    c.wait(0.0)
    assert len(c.handles(conn)) == 1
    c.server.script = attrs.evolve(c.server.script, withhold_handles=False)
    c.wait(8.0)
    assert len(c.handles(conn)) == 1
    c.wait(1.0)
    assert len(c.handles(conn)) == 2


def test_a_handle_that_was_withheld_does_not_come_on_a_muted_connection() -> None:
    c, conn = talk(ServerScript(withhold_handles=True))
    c.server.update(conn, c.now)
    c.server.mute(conn, c.now)
    c.server.script = ServerScript()
    c.wait(10.0)
    assert c.messages(conn, "sessionResumptionUpdate") == [NOT_RESUMABLE]


def test_the_next_frames_can_be_sent_twice() -> None:
    c, conn = talk(ServerScript(model=EchoModel(chunks=1, playback=1.0), binary=False))
    c.server.duplicate_next(conn, 1)
    c.server.duplicate_next(conn, 2)
    c.send(conn, say.content("hello"))
    c.server.inject(conn, "x", c.now)
    c.server.inject(conn, "y", c.now)
    c.look()
    _, one, two, three, four, *rest = c.frames[conn]
    assert one == two
    assert three == four
    assert rest == ["x", "x", "y"]
    assert c.server.sessions[0].emitted[0].text == "turn 1: hello"


def test_duplicates_are_those_of_one_connection_and_end_with_it() -> None:
    c, conn = talk()
    other = c.connect()
    c.server.duplicate_next(conn, 3)
    c.server.update(other, c.now)
    c.hang_up(conn)
    c.server.duplicate_next(conn, 3)
    c.look()
    assert len(c.handles(other)) == 1


def test_a_restart_resets_everything_at_once_and_can_keep_the_handles() -> None:
    c, conn = talk()
    waiting = c.dial()
    handle = handle_now(c, conn)
    c.server.restart(c.now)
    c.look()
    assert c.ends == {conn: (None, ""), waiting: (None, "")}
    assert (c.server.live, c.server.deadline) == ((), None)
    assert c.messages(c.connect(handle=handle), "setupComplete")


def test_a_restart_can_lose_the_handles() -> None:
    c, conn = talk()
    handle = handle_now(c, conn)
    c.server.restart(c.now, keep_handles=False)
    c.look()
    assert c.ends[c.connect(handle=handle)] == CLOSES["session_not_found"]
    assert len(c.server.sessions) == 1


@pytest.mark.parametrize("kind", UNSOLICITED)
@pytest.mark.parametrize("busy", [False, True])
def test_anything_can_be_said_out_of_turn_and_the_conversation_goes_on(kind: Unsolicited, *, busy: bool) -> None:
    c, conn = talk()
    if busy:
        c.send(conn, say.content("before"))
    before = len(c.frames[conn])
    say_unasked(c, conn, kind)
    assert len(c.frames[conn]) == before + 1
    if kind in {"malformed", "not_an_object"}:
        del c.frames[conn][-1]
    c.wait(100.0)
    assert conn in c.server.live
    c.send(conn, say.content("after"))
    c.wait(1.0)
    assert c.contents(conn)[-3:] == ANSWER
    (session,) = c.server.sessions
    assert {answer.ended for answer in session.answers} == {"completed"}
    assert session.payloads("content") == (*(["before"] if busy else []), "after")


@pytest.mark.parametrize("kind", UNSOLICITED)
def test_a_muted_connection_says_nothing_out_of_turn(kind: Unsolicited) -> None:
    c, conn = talk()
    c.server.mute(conn, c.now)
    say_unasked(c, conn, kind)
    assert len(c.frames[conn]) == 1


def test_nothing_is_said_on_a_connection_that_has_ended() -> None:
    c, conn = talk()
    c.hang_up(conn)
    c.server.unsolicited(conn, "output", c.now)
    c.server.duplicate_next(conn, 1)
    assert c.server.take() == []


def test_before_the_setup_is_complete_only_what_needs_no_session_is_said() -> None:
    c = DirectClient(FakeLiveServer(ServerScript(setup_delay=1.0)))
    conn = c.connect()
    for kind in ("tool_call", "tool_call_cancellation", "handle", "output"):
        say_unasked(c, conn, kind)
    assert [list(message) for message in c.messages(conn)] == [["serverContent"]]


def test_an_unsolicited_handle_is_good_even_in_the_middle_of_a_turn() -> None:
    c, conn = talk(ServerScript(withhold_handles=True))
    c.send(conn, say.content("hello"))
    handle = handle_now(c, conn)
    c.hang_up(conn)
    assert c.messages(c.connect(handle=handle), "setupComplete")
    assert c.server.sessions[0].payloads("content") == ("hello",)


def test_a_response_to_an_unsolicited_call_is_no_stray_one() -> None:
    c, conn = talk(ServerScript(stray_tool_response="swallow", model=EchoModel(chunks=1)))
    say_unasked(c, conn, "tool_call")
    (call,) = c.call_ids(conn)
    c.send(conn, say.tool_response(call))
    c.send(conn, say.content("hello"))
    c.wait(1.0)
    (session,) = c.server.sessions
    assert c.contents(conn) == ANSWER
    assert session.unsolicited_calls == [call]
    assert (session.stray_tool_responses, session.late_tool_responses) == ([], [])


def test_an_unsolicited_call_does_not_hold_up_a_turn_that_waits_for_another() -> None:
    c, conn = talk()
    c.send(conn, say.content("tool:weather"))
    say_unasked(c, conn, "tool_call")
    weather, unasked = c.call_ids(conn)
    c.send(conn, say.tool_response(weather, unasked))
    c.wait(1.0)
    assert c.contents(conn) == ANSWER
    assert c.server.sessions[0].emitted[0].calls == (weather,)
    assert c.server.sessions[0].stray_tool_responses == []


def test_an_unsolicited_call_does_not_survive_its_connection() -> None:
    c, conn = talk()
    say_unasked(c, conn, "tool_call")
    handle = handle_now(c, conn)
    c.hang_up(conn)
    again = c.connect(handle=handle)
    c.send(again, say.tool_response(*c.call_ids(conn)))
    assert c.server.sessions[0].stray_tool_responses == c.call_ids(conn)


def test_a_cancelled_call_is_one_that_was_announced_if_there_is_one() -> None:
    c, conn = talk()
    say_unasked(c, conn, "tool_call_cancellation")
    say_unasked(c, conn, "tool_call")
    say_unasked(c, conn, "tool_call_cancellation")
    nobodys, announced = (cancelled["ids"] for cancelled in c.messages(conn, "toolCallCancellation"))
    assert nobodys != announced == c.call_ids(conn)
    c.send(conn, say.tool_response(*c.call_ids(conn)))
    assert c.server.sessions[0].late_tool_responses == c.call_ids(conn)


def test_a_response_that_crosses_the_cancellation_of_its_call_is_late_and_not_stray() -> None:
    c, conn = talk(ServerScript(consume_lag=0.5))
    c.send(conn, say.content("tool:weather"))
    c.wait(0.5)
    c.send(conn, say.activity_start(), say.tool_response(*c.call_ids(conn)))
    c.wait(0.5)
    (session,) = c.server.sessions
    assert session.late_tool_responses == c.call_ids(conn)
    assert session.stray_tool_responses == []


def test_the_index_of_an_unsolicited_handle_goes_to_those_who_asked_for_it() -> None:
    c = DirectClient(FakeLiveServer())
    conn = c.connect(say.setup(transparent=True), path=VERTEX_PATH)
    c.send(conn, say.audio(b"12"))
    say_unasked(c, conn, "handle")
    assert c.messages(conn, "sessionResumptionUpdate")[0]["lastConsumedClientMessageIndex"] == "1"
