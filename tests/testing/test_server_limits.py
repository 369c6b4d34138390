"""How connections and sessions end: GoAway, limits, and the operator's hand."""

from __future__ import annotations

import pytest

from relive.testing import server_client as say
from relive.testing.server import FakeLiveServer
from relive.testing.server_client import DirectClient
from relive.testing.server_script import CLOSES, Closes, Limits, ServerScript

SOUND = b"\x01\x02" * 160


def talk(script: ServerScript | None = None, frame: str | None = None) -> tuple[DirectClient, int]:
    c = DirectClient(FakeLiveServer(script))
    return c, c.connect(frame)


def go_away(c: DirectClient, conn: int, time_left: float | str | None) -> object:
    c.server.go_away(conn, time_left, c.now)
    c.look()
    return c.messages(conn, "goAway")[-1]


@pytest.mark.parametrize(
    ("style", "time_left", "expected"),
    [
        ("duration", 50, {"timeLeft": "50s"}),
        ("duration", 0.5, {"timeLeft": "0.500s"}),
        ("duration", 0.0, {"timeLeft": "0s"}),
        ("duration", -3.0, {"timeLeft": "0s"}),
        ("bare", 10.0, {"timeLeft": "10"}),
        ("missing", 10.0, {}),
        ("duration", None, {}),
        ("duration", "soon", {"timeLeft": "soon"}),
        ("bare", "7.5s", {"timeLeft": "7.5s"}),
    ],
)
def test_go_away_puts_its_time_in_many_ways(style: str, time_left: float | str | None, expected: object) -> None:
    c, conn = talk(ServerScript(time_left=style))  # type: ignore[arg-type]
    assert go_away(c, conn, time_left) == expected


@pytest.mark.parametrize(
    ("time_left", "seconds"), [(10.0, 10.0), ("2.5s", 2.5), ("3", 3.0), (None, 60.0), ("soon", 60.0)]
)
def test_go_away_is_followed_by_a_close_at_its_time(time_left: float | str | None, seconds: float) -> None:
    c, conn = talk()
    go_away(c, conn, time_left)
    c.wait(seconds - 0.01)
    c.send(conn, say.content("still here"))
    assert conn not in c.ends
    c.wait(0.01)
    assert c.ends[conn] == CLOSES["deadline_expired"]
    assert c.server.sessions[0].payloads("content") == ("still here",)


def test_go_away_without_time_left_closes_at_once() -> None:
    c, conn = talk()
    assert go_away(c, conn, 0.0) == {"timeLeft": "0s"}
    assert conn in c.ends


@pytest.mark.parametrize("name", ["operation_aborted", "operation_cancelled"])
def test_the_close_after_go_away_is_the_scripts(name: str) -> None:
    c, conn = talk(ServerScript(closes=Closes(deadline=CLOSES[name])))
    go_away(c, conn, 0.0)
    assert c.ends[conn] == CLOSES[name]


def test_an_abnormal_end_after_go_away_is_a_reset() -> None:
    c, conn = talk(ServerScript(closes=Closes(deadline=CLOSES["abnormal"])))
    go_away(c, conn, 0.0)
    assert c.ends[conn] == (None, "")


def test_after_go_away_the_server_can_fall_silent_before_it_closes() -> None:
    c, conn = talk(ServerScript(after_go_away="silence"))
    c.send(conn, say.content("hello"))
    go_away(c, conn, 5.0)
    c.send(conn, say.content("anybody?"))
    c.wait(4.0)
    assert c.contents(conn) == ["modelTurn"]
    assert c.server.sessions[0].payloads("content") == ("hello",)
    c.wait(1.0)
    assert conn in c.ends


def test_after_go_away_the_server_can_just_go_on() -> None:
    c, conn = talk(ServerScript(after_go_away="never", limits=Limits(audio_session=None)))
    go_away(c, conn, 5.0)
    c.wait(10_000.0)
    assert conn in c.server.live


def test_a_connection_has_its_time_and_a_notice_before_the_end() -> None:
    c, conn = talk(ServerScript(limits=Limits(connection=600.0)))
    c.wait(539.0)
    assert c.messages(conn, "goAway") == []
    c.wait(1.0)
    assert c.messages(conn, "goAway") == [{"timeLeft": "60s"}]
    c.wait(59.0)
    assert conn not in c.ends
    c.wait(1.0)
    assert c.ends[conn] == CLOSES["deadline_expired"]


def test_a_short_connection_is_told_what_is_left_of_it() -> None:
    c, conn = talk(ServerScript(limits=Limits(connection=5.0)))
    assert c.messages(conn, "goAway") == [{"timeLeft": "5s"}]


def test_a_connection_can_end_without_notice() -> None:
    c, conn = talk(ServerScript(limits=Limits(connection=600.0, lead=None)))
    c.wait(600.0)
    assert c.messages(conn, "goAway") == []
    assert conn in c.ends


def test_a_session_without_compression_ends_after_its_time_and_its_handles_die() -> None:
    c, conn = talk()
    c.wait(600.0)
    c.server.update(conn, c.now)
    c.look()
    c.hang_up(conn)
    (handle,) = c.handles(conn)
    again = c.connect(handle=handle)
    c.wait(299.0)
    assert again not in c.ends
    c.wait(1.0)
    assert c.ends[again] == CLOSES["operation_aborted"]
    assert c.ends[c.connect(handle=handle)] == CLOSES["session_not_found"]


def test_video_shortens_a_session() -> None:
    c, conn = talk()
    c.wait(60.0)
    c.send(conn, say.video(b"picture"))
    c.wait(59.0)
    assert conn not in c.ends
    c.wait(1.0)
    assert conn in c.ends


def test_video_after_its_limit_ends_the_session_at_once() -> None:
    c, conn = talk()
    c.wait(300.0)
    c.send(conn, say.video(b"picture"))
    assert conn in c.ends


def test_compression_lifts_the_session_limit() -> None:
    c, conn = talk(frame=say.setup(contextWindowCompression={"slidingWindow": {}}))
    c.send(conn, say.video(b"picture"))
    c.wait(100_000.0)
    assert conn in c.server.live


def test_a_full_context_closes_the_connection_and_stays_full() -> None:
    c, conn = talk(ServerScript(limits=Limits(context_bytes=1000)))
    c.send(conn, say.audio(b"1" * 900))
    c.server.update(conn, c.now)
    c.look()
    c.send(conn, say.audio(b"1" * 200))
    assert c.ends[conn] == CLOSES["context_exhausted"]
    again = c.connect(handle=c.handles(conn)[0])
    c.send(again, say.video(b"1" * 200))
    assert c.ends[again] == CLOSES["context_exhausted"]


def test_speech_that_was_over_before_silence_is_not_answered_twice() -> None:
    c, conn = talk()
    c.send(conn, say.audio(SOUND), say.stream_end())
    c.wait(10.0)
    assert len(c.server.sessions[0].emitted) == 1


def test_a_poison_frame_kills_every_connection_that_consumes_it() -> None:
    c, conn = talk(ServerScript(poison=("arsenic",)))
    c.send(conn, say.content("water"))
    c.send(conn, say.content("arsenic"))
    assert c.ends[conn] == CLOSES["invalid_argument"]
    assert c.server.sessions[0].payloads("content") == ("water",)


def test_frames_in_flight_die_with_the_frame_that_kills() -> None:
    c, conn = talk(ServerScript(poison=("arsenic",), consume_lag=1.0))
    c.send(conn, say.content("arsenic"), say.content("water"))
    c.wait(1.0)
    assert conn in c.ends
    assert c.server.sessions[0].consumed == ()


@pytest.mark.parametrize("name", [name for name in CLOSES if name != "abnormal"])
def test_every_known_close_can_be_made(name: str) -> None:
    c, conn = talk()
    c.server.close(conn, *CLOSES[name], c.now)
    c.look()
    assert c.ends[conn] == CLOSES[name]
    assert c.server.live == ()
    assert len(CLOSES[name][1].encode()) <= 123


def test_a_long_reason_is_cut_at_what_a_close_frame_holds() -> None:
    c, conn = talk()
    c.server.close(conn, 1011, "é" * 100, c.now)
    c.look()
    assert c.ends[conn] == (1011, "é" * 61)


def test_a_reset_has_no_code() -> None:
    c, conn = talk()
    c.server.reset(conn, c.now)
    c.look()
    assert c.ends[conn] == (None, "")


def test_a_muted_connection_is_open_and_dead() -> None:
    c, conn = talk()
    c.send(conn, say.content("hello"))
    c.server.mute(conn, c.now)
    c.send(conn, say.content("hello?"))
    c.server.update(conn, c.now)
    c.wait(100.0)
    assert c.contents(conn) == ["modelTurn"]
    assert conn in c.server.live
    assert c.server.sessions[0].payloads("content") == ("hello",)


def test_any_frame_can_be_injected() -> None:
    c, conn = talk()
    for frame in ("not json", b"\xff", '{"sessionResumptionUpdate": {}}', '{"goAway": null}'):
        c.server.inject(conn, frame, c.now)
        c.look()
        assert c.frames[conn][-1] == frame


def test_the_operator_cannot_touch_what_is_gone() -> None:
    c, conn = talk()
    c.hang_up(conn)
    c.server.go_away(conn, 1.0, c.now)
    c.server.close(conn, 1000, "", c.now)
    c.server.reset(conn, c.now)
    c.server.mute(conn, c.now)
    c.server.update(conn, c.now)
    c.server.inject(conn, "x", c.now)
    c.server.receive(conn, say.content("x"), c.now)
    c.server.lost(conn, c.now)
    assert c.server.take() == []


def test_nothing_is_put_out_after_the_end_of_a_connection() -> None:
    c, conn = talk(ServerScript(consume_lag=0.01))
    c.send(conn, say.content("hello"))
    c.wait(0.02)
    before = len(c.frames[conn])
    c.server.close(conn, 1011, "", c.now)
    c.wait(100.0)
    assert len(c.frames[conn]) == before
    assert c.server.deadline is None
    assert c.server.sessions[0].emitted[0].ended == "lost"
