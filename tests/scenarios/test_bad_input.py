"""Bad input, from the application and from the server: a clear error or a counted event; never a hang."""

from __future__ import annotations

import asyncio
import json

import pytest
import websockets
from google.genai import types
from google.genai.errors import APIError
from tests.scenarios.world import simulated, world

import relive
from relive.testing.server import FakeLiveServer
from relive.testing.server_script import CLOSES, ServerScript

MALFORMED = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'"goAway"',
    b'{"goAway": null}',
    b'{"error": {"code": 13, "message": "internal"}}',
    b'{"somethingNew": {}}',
    b'{"serverContent": 5}',
    b'{"serverContent": NaN}',
    b"\xff\xfe",
    b'{"sessionResumptionUpdate": {"newHandle": 7, "resumable": true}}',
    b"[" * 5000,
]


@simulated
async def test_a_frame_that_the_sdk_would_raise_on_is_withheld_and_reported() -> None:
    async with world() as w:
        for frame in MALFORMED:
            w.act(w.server.inject, w.conn, frame)
        await w.ask("still there?")
        assert await w.turn() == "turn 1: still there?"
        stats = w.session.stats
    assert stats.frames_withheld_malformed >= 10
    assert [notice.what for notice in w.notices].count("malformed_frame") >= 10
    assert w.steps()[2:] == ["ACTIVE → CLOSED on CloseRequested"]


@simulated
async def test_the_policy_can_pass_malformed_frames_on() -> None:
    async with world(policy=relive.Policy(deliver_malformed=True)) as w:
        w.act(w.server.inject, w.conn, b'{"somethingNew": {}}')
        with pytest.raises((TypeError, ValueError, AttributeError, APIError)):
            await anext(w.session.receive())
        await w.ask("still there?")
        assert await w.turn() == "turn 1: still there?"


@simulated
async def test_an_empty_update_keeps_the_handle() -> None:
    """P1: an update that says nothing means "not now"; the older handle is resumed from."""
    async with world(policy=relive.Policy(stable_after=0.1)) as w:
        await w.ask("hello")
        await w.turn()
        await asyncio.sleep(1.0)
        w.act(w.server.inject, w.conn, b'{"sessionResumptionUpdate": {}}')
        w.act(w.server.inject, w.conn, b'{"sessionResumptionUpdate": {"newHandle": "", "resumable": true}}')
        w.reset()
        await asyncio.sleep(1.0)
        assert str(w.session.verdict) == "resumed"


@pytest.mark.parametrize(
    ("time_left", "drained_after"),
    [
        (b'{"goAway": {"timeLeft": "10"}}', 9.0),
        (b'{"goAway": {"timeLeft": "10s"}}', 9.0),
        (b'{"goAway": {"timeLeft": "1.5s"}}', 0.5),
        (b'{"goAway": {"timeLeft": "0.5s"}}', 0.0),
        (b'{"goAway": {}}', 0.0),
        (b'{"goAway": {"timeLeft": "soon"}}', 0.0),
        (b'{"goAway": {"timeLeft": "-3s"}}', 0.0),
        (b'{"goAway": {"timeLeft": "NaN"}}', 0.0),
    ],
)
def test_a_time_left_of_any_kind_leads_to_a_resume_in_time(time_left: bytes, drained_after: float) -> None:
    """P7: on its own timer, also when the time is missing, and also while the user holds the floor."""

    @simulated
    async def scenario() -> None:
        async with world(policy=relive.Policy(stable_after=0.1)) as w:
            await w.ask("hello")
            await w.turn()
            await w.session.send_realtime_input(activity_start=types.ActivityStart())
            await asyncio.sleep(1.0)
            began = asyncio.get_running_loop().time()
            w.act(w.server.inject, w.conn, time_left)
            await asyncio.sleep(20.0)
        left = next(line for line in w.transcript if "DRAINING → RESUMING" in line)
        assert "DeadlineReached(drain)" in left
        assert float(left.split()[0]) == pytest.approx(began + drained_after, abs=0.01)

    scenario()


@simulated
async def test_several_fields_in_one_frame_are_all_heard_and_go_away_is_not_passed_on() -> None:
    async with world() as w:
        await w.ask("hello")
        await w.turn()
        frame = {
            "serverContent": {"modelTurn": {"parts": [{"text": "one more thing"}]}, "turnComplete": True},
            "goAway": {"timeLeft": "30s"},
            "usageMetadata": {"totalTokenCount": 3},
        }
        w.act(w.server.inject, w.conn, json.dumps(frame))
        messages = [message async for message in w.session.receive()]
        await asyncio.sleep(2.0)
    assert messages[-1].text == "one more thing"
    assert messages[-1].usage_metadata is not None
    assert all(message.go_away is None for message in messages)
    assert "ACTIVE → DRAINING on GoAwayReceived" in w.steps()


@simulated
async def test_sending_and_receiving_after_close_raise_the_sdks_errors_at_once() -> None:
    async with world() as w:
        await w.session.close()
        with pytest.raises(websockets.ConnectionClosed) as sent:
            await w.ask("anybody?")
        assert isinstance(sent.value, relive.SessionClosed)
        with pytest.raises(APIError) as received:
            await w.turn()
        assert isinstance(received.value, relive.SessionClosed)
        await w.session.close()


@simulated
async def test_two_receivers_at_once_are_refused_and_the_first_loses_nothing() -> None:
    async with world() as w:
        first = asyncio.create_task(w.turn())
        await asyncio.sleep(0.1)
        with pytest.raises(relive.ReceiverBusy):
            await anext(w.session.receive())
        await w.ask("hello")
        assert await first == "turn 1: hello"


@simulated
async def test_what_is_no_frame_is_refused_and_the_session_goes_on() -> None:
    async with world() as w:
        with pytest.raises(TypeError, match="a frame is str or bytes, not dict"):
            await w.session._ws.send({"not": "a frame"})  # pyright: ignore[reportAttributeAccessIssue]
        await w.ask("hello")
        assert await w.turn() == "turn 1: hello"


@pytest.mark.parametrize("cause", ["bad_key", "bad_token", "unknown_model", "not_json", "invalid_argument"])
def test_what_will_not_get_better_is_not_retried(cause: str) -> None:
    """P11: fatal causes are never retried; the error says what to do, in both worlds' types."""

    @simulated
    async def scenario() -> None:
        server = FakeLiveServer(ServerScript())
        server.close_next_setup(*CLOSES[cause])
        with pytest.raises(relive.SessionFailed) as caught:
            async with world(server=server):
                pass
        assert isinstance(caught.value, APIError)
        assert caught.value.code == CLOSES[cause][0]
        assert caught.value.failure.cause == "fatal"
        assert caught.value.failure.detail

    scenario()


@simulated
async def test_when_a_session_fails_whoever_waits_is_told() -> None:
    """P22: receivers and senders get errors that are ours and theirs."""
    async with world() as w:
        w.listen()
        receiving = w.listening
        assert receiving is not None
        waiting = asyncio.create_task(w.session.wait_for("DRAINING"))
        await asyncio.sleep(1.0)
        w.server.refuse_next(401)
        w.reset()
        await asyncio.sleep(5.0)
        assert w.session.state == "FAILED"
        await receiving
        with pytest.raises(relive.SessionFailed):
            await waiting
        with pytest.raises(websockets.ConnectionClosedError) as sent:
            await w.ask("anybody?")
        assert isinstance(sent.value, relive.SessionFailed)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"retry_base": -1.0}, "retry_base"),
        ({"retry_base": float("nan")}, "retry_base"),
        ({"send_limit": 0}, "send_limit"),
        ({"probe": "yes"}, "probe"),
        ({"audio_age": "long"}, "audio_age"),
    ],
)
def test_a_wrong_setting_is_named(wrong: dict[str, object], named: str) -> None:
    with pytest.raises(relive.SettingError, match=named):
        relive.Policy(**wrong)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"model": ""}, "model"),
        ({"config": {"no_such_field": 1}}, "no_such_field"),
        ({"key": "k"}, "store"),
        ({"store": relive.MemoryStore()}, "key"),
    ],
)
def test_a_wrong_argument_is_named_before_anything_is_dialled(wrong: dict[str, object], named: str) -> None:
    @simulated
    async def scenario() -> None:
        from google import genai

        options = {"model": "m", **wrong}
        with pytest.raises(relive.SettingError, match=named):
            async with relive.connect(genai.Client(api_key="dummy"), **options):
                pass

    scenario()
