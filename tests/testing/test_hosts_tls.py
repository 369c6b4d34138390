"""The TLS host: the unmodified SDK holds its conversations with the fake server over a real websocket."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google import genai
from google.genai import errors, types
from google.genai.live import AsyncSession
from websockets.exceptions import InvalidStatus

from relive.testing import server_client as say
from relive.testing.hosts import TlsHost
from relive.testing.server import FakeLiveServer
from relive.testing.server_model import EchoModel
from relive.testing.server_script import CLOSES, Limits, ServerScript

pytestmark = [pytest.mark.asyncio, pytest.mark.sockets]
FAST = ServerScript(model=EchoModel(interval=0.0))


def hang_up(session: AsyncSession) -> None:
    """Close without a word, and without waiting for one."""
    websocket: Any = session._ws
    websocket.transport.abort()


@contextlib.asynccontextmanager
async def tls(script: ServerScript = FAST) -> AsyncIterator[tuple[TlsHost, genai.Client]]:
    """Serve, and make the unmodified SDK's client for it; check that nothing is left behind."""
    before = asyncio.all_tasks()
    async with TlsHost(FakeLiveServer(script)) as host:
        client = genai.Client(
            api_key="x",
            http_options=types.HttpOptions(
                base_url=host.base_url, async_client_args={"ssl": host.ssl_client_context()}
            ),
        )
        try:
            yield host, client
        finally:
            await client.aio.aclose()
    assert asyncio.all_tasks() == before
    assert host.server.live == ()


async def turn(session: AsyncSession) -> str:
    """Receive one turn and return its text."""
    return "".join([message.text or "" async for message in session.receive()])


async def test_the_sdk_holds_a_conversation_and_resumes_it() -> None:
    async with tls() as (host, client):
        async with client.aio.live.connect(model="echo", config={"session_resumption": {}}) as session:
            assert session.session_id == host.server.sessions[0].id
            await session.send_client_content(turns={"role": "user", "parts": [{"text": "hello"}]})
            assert await turn(session) == "turn 1: hello"
            update = (await session._receive()).session_resumption_update
            assert update
            assert update.resumable
        while host.server.live:  # noqa: ASYNC110 - the server has no event to wait for: it is sans-IO
            await asyncio.sleep(0)
        config = types.LiveConnectConfig(session_resumption=types.SessionResumptionConfig(handle=update.new_handle))
        async with client.aio.live.connect(model="echo", config=config) as session:
            await session.send_realtime_input(text="again")
            assert await turn(session) == "turn 2: again"
        (known,) = host.server.sessions
        assert known.connections == (1, 2)


async def test_the_server_understands_everything_that_the_sdk_sends() -> None:
    blob = types.Blob(data=b"\xff\xfe\xfb\xff", mime_type="audio/pcm;rate=16000")
    picture = types.Blob(data=b"\xff\xd8\xff", mime_type="image/jpeg")
    async with tls() as (host, client), client.aio.live.connect(model="echo") as session:
        await session.send_client_content(turns={"role": "user", "parts": [{"text": "a"}]}, turn_complete=False)
        await session.send_realtime_input(activity_start={})
        await session.send_realtime_input(audio=blob)
        await session.send_realtime_input(media=blob)
        await session.send_realtime_input(video=picture)
        await session.send_realtime_input(media=picture)
        await session.send_context_update(system_instruction="be nice")
        await session.send_tool_response(
            function_responses=types.FunctionResponse(id="x", name="f", response={"a_b": 1})
        )
        await session.send_realtime_input(audio_stream_end=True)
        await session.send_realtime_input(activity_end={})
        assert await turn(session) == "turn 1: a"
        kinds = [(item.kind, item.payload) for item in host.server.sessions[0].consumed]
        assert kinds == [
            ("content", "a"),
            ("activity_start", ""),
            ("audio", blob.data),
            ("audio", blob.data),
            ("video", picture.data),
            ("video", picture.data),
            ("context_update", ""),
            ("tool_response", ("x",)),
            ("stream_end", ""),
            ("activity_end", ""),
        ]


async def test_the_sdk_is_told_what_tools_to_call_and_hears_audio() -> None:
    config = types.LiveConnectConfig(output_audio_transcription=types.AudioTranscriptionConfig())
    async with tls() as (_, client), client.aio.live.connect(model="echo", config=config) as session:
        await session.send_client_content(turns={"role": "user", "parts": [{"text": "tool:weather"}]})
        call = (await session._receive()).tool_call
        assert call
        assert call.function_calls
        (function,) = call.function_calls
        assert function.name == "weather"
        response = types.FunctionResponse(id=function.id, name="weather", response={"sun": True})
        await session.send_tool_response(function_responses=response)
        assert await turn(session) == "turn 1: tool:weather"
        await session.send_realtime_input(audio=types.Blob(data=b"1234", mime_type="audio/pcm"))
        await session.send_realtime_input(audio_stream_end=True)
        messages = [message async for message in session.receive()]
        assert sum(len(message.data or b"") for message in messages) == 3 * 480
        assert messages[-1].usage_metadata


async def test_vertex_in_express_mode_connects_too() -> None:
    async with tls() as (host, _):
        options = types.HttpOptions(base_url=host.base_url, async_client_args={"ssl": host.ssl_client_context()})
        client = genai.Client(vertexai=True, api_key="x", http_options=options)
        config = types.LiveConnectConfig(session_resumption=types.SessionResumptionConfig(transparent=True))
        async with client.aio.live.connect(model="echo", config=config) as session:
            await session.send_client_content(turns={"role": "user", "parts": [{"text": "hello"}]})
            assert await turn(session) == "turn 1: hello"
            update = (await session._receive()).session_resumption_update
            assert update
            assert update.last_consumed_client_message_index == 1
        assert host.server.sessions[0].backend == "vertex"
        await client.aio.aclose()


async def test_an_ephemeral_token_goes_through_its_own_door() -> None:
    async with tls(ServerScript(keys=frozenset({"auth_tokens/good"}))) as (host, _):
        options = types.HttpOptions(
            base_url=host.base_url, api_version="v1alpha", async_client_args={"ssl": host.ssl_client_context()}
        )
        client = genai.Client(api_key="auth_tokens/good", http_options=options)
        with pytest.warns(errors.ExperimentalWarning):
            async with client.aio.live.connect(model="echo") as session:
                assert session.session_id
        await client.aio.aclose()


async def test_a_close_reaches_the_sdk_with_code_and_reason() -> None:
    async with tls() as (host, client), client.aio.live.connect(model="echo") as session:
        (conn,) = host.server.live
        host.server.close(conn, *CLOSES["quota"], host.now)
        host.flush()
        with pytest.raises(errors.APIError, match="You exceeded") as failed:
            await session._receive()
        assert failed.value.code == 1011


async def test_a_bad_key_reaches_the_sdk() -> None:
    async with tls(ServerScript(keys=frozenset({"good"}))) as (_, client):
        with pytest.raises(errors.APIError, match="API key not valid"):
            async with client.aio.live.connect(model="echo"):
                pass


async def test_a_refused_upgrade_reaches_the_sdk() -> None:
    async with tls() as (host, client):
        host.server.refuse_next(429)
        with pytest.raises(InvalidStatus, match="429"):
            async with client.aio.live.connect(model="echo"):
                pass


@pytest.mark.parametrize("how", ["kill", "reset", "limit"])
async def test_a_tcp_reset_reaches_the_sdk_without_a_code(how: str) -> None:
    async with tls() as (host, client), client.aio.live.connect(model="echo") as session:
        (conn,) = host.server.live
        if how == "kill":
            host.kill(conn)
            host.kill(99)
        elif how == "reset":
            host.server.reset(conn, host.now)
        else:
            host.server.close(conn, *CLOSES["abnormal"], host.now)
        host.flush()
        with pytest.raises(errors.APIError) as failed:
            await session._receive()
        assert failed.value.code == 1006


async def test_the_code_with_which_a_client_closes_is_noted() -> None:
    async with tls() as (host, client):
        async with client.aio.live.connect(model="echo"):
            pass
        async with client.aio.live.connect(model="echo") as session:
            hang_up(session)
    assert [record.client_code for record in host.server.admissions] == [1000, None]


async def test_a_connections_limit_runs_on_the_loops_clock() -> None:
    script = ServerScript(limits=Limits(connection=0.01, lead=0.005))
    async with tls(script) as (_, client), client.aio.live.connect(model="echo") as session:
        go_away = (await session._receive()).go_away
        assert go_away
        assert go_away.time_left == "0.005s"
        with pytest.raises(errors.APIError, match="Deadline expired"):
            await session._receive()


async def test_a_host_can_be_left_with_a_frozen_and_an_open_connection() -> None:
    async with tls() as (host, client), contextlib.AsyncExitStack() as stack:
        stranger = host.server.dial(say.DEVELOPER_PATH, {}, host.now)
        assert isinstance(stranger, int)
        host.server.close(stranger, 1000, "not for a socket of this host", host.now)
        host.flush()
        for _ in range(2):
            await stack.enter_async_context(client.aio.live.connect(model="echo"))
        host.freeze(host.server.live[0])
        host.freeze(99)
        await host.__aexit__(None, None, None)


async def test_a_black_hole_tells_the_client_nothing_and_leaves_its_handles_to_the_next() -> None:
    async with tls() as (host, client), contextlib.AsyncExitStack() as stack:
        session = await stack.enter_async_context(client.aio.live.connect(model="echo"))
        host.freeze(host.newest)
        assert host.server.live == ()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await session._receive()
        hang_up(session)


async def test_a_black_hole_is_noticed_when_it_is_said_to_be_or_never() -> None:
    async with tls() as (host, client), contextlib.AsyncExitStack() as stack:
        late, never, left = [await stack.enter_async_context(client.aio.live.connect(model="echo")) for _ in range(3)]
        numbers = host.server.live
        host.freeze(numbers[0], server_notices_after=0.01)
        host.freeze(numbers[1], server_notices_after=None)
        host.freeze(numbers[2], server_notices_after=60.0)
        assert host.server.live == numbers
        await asyncio.sleep(0.05)
        assert host.server.live == numbers[1:]
        host.server.close(numbers[1], 1011, "not through a black hole", host.now)
        host.flush()
        for session in (late, never, left):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await session._receive()
            hang_up(session)


async def test_the_authority_can_be_written_to_a_file(tmp_path: Path) -> None:
    host = TlsHost(FakeLiveServer())
    path = host.write_ca(tmp_path / "ca.pem")
    assert path.read_bytes() == host.ca_pem
    assert ssl.create_default_context(cafile=str(path)).cert_store_stats()["x509_ca"] == 1
