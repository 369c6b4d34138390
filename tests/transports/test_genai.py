"""The SDK as a transport, against a real websocket server over TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from google import genai
from google.genai import types
from google.genai.live import AsyncSession

import relive
from relive.core.effects import Open
from relive.ports import ConnectionGone, Opening
from relive.testing.host_tls import TlsHost
from relive.testing.server import FakeLiveServer
from relive.testing.server_script import ServerScript
from relive.transports.genai import KNOWN_KEYS, GenaiTransport, read_config

FRESH = Open(1, None)


def client_of(host: TlsHost, *, vertex: bool = False) -> genai.Client:
    options: Any = {"base_url": host.base_url, "async_client_args": {"ssl": host.ssl_client_context()}}
    return genai.Client(vertexai=vertex, api_key="dummy", http_options=options)


@asynccontextmanager
async def hosted(script: ServerScript | None = None) -> AsyncIterator[TlsHost]:
    async with TlsHost(FakeLiveServer(script or ServerScript())) as host:
        yield host


def transport(
    client: genai.Client | None = None, *, config: Any = None, policy: relive.Policy | None = None, **options: Any
) -> GenaiTransport:
    client = client or genai.Client(api_key="dummy")
    return GenaiTransport(client, model="m", config=config, policy=policy or relive.Policy(), **options)


async def until(met: Callable[[], bool]) -> None:
    """Let the loop turn until something has happened on the other side of a socket."""
    async with asyncio.timeout(10.0):
        while not met():  # noqa: ASYNC110 - the fake server has no events to wait for
            await asyncio.sleep(0)


async def refused(transport: GenaiTransport, opening: Opening = FRESH) -> relive.Dropped:
    with pytest.raises(ConnectionGone) as caught:
        await transport.open(opening)
    await transport.aclose()
    return caught.value.drop


def test_the_sdks_private_attributes_are_where_we_take_them() -> None:
    """The contract: two private attributes, and a session that can be made from an api client and a websocket."""
    api_client = genai.Client(api_key="dummy")._api_client
    session = AsyncSession(api_client=api_client, websocket="a websocket")  # type: ignore[arg-type]
    assert session._ws == "a websocket"
    assert session._api_client is api_client


def test_known_keys_are_those_of_the_installed_sdk() -> None:
    assert {"setupComplete", "serverContent", "toolCall", "goAway", "sessionResumptionUpdate"} <= KNOWN_KEYS


class TestConfig:
    def test_resumption_and_compression_are_added(self) -> None:
        config = transport(config={"temperature": 0.5}).config_for(FRESH)
        assert config.temperature == 0.5
        assert config.session_resumption == types.SessionResumptionConfig()
        assert config.context_window_compression is not None
        assert config.context_window_compression.sliding_window == types.SlidingWindow()

    def test_the_callers_own_compression_stays(self) -> None:
        own = types.ContextWindowCompressionConfig(trigger_tokens=1000)
        assert transport(config={"context_window_compression": own}).config_for(FRESH).context_window_compression == own

    def test_the_policy_can_leave_compression_off(self) -> None:
        opener = transport(policy=relive.Policy(compress=False))
        assert opener.config_for(FRESH).context_window_compression is None
        assert not opener.compressed

    def test_transparent_is_set_where_it_is_accepted(self) -> None:
        vertex = transport(genai.Client(vertexai=True, api_key="dummy")).config_for(FRESH).session_resumption
        developer = transport().config_for(FRESH).session_resumption
        assert vertex is not None
        assert vertex.transparent is True
        assert developer is not None
        assert developer.transparent is None

    def test_a_handle_in_the_callers_config_is_the_first_checkpoint(self) -> None:
        config = types.LiveConnectConfig(session_resumption=types.SessionResumptionConfig(handle="theirs"))
        opener = transport(config=config)
        assert opener.handle == "theirs"
        resumption = opener.config_for(Open(2, "newer")).session_resumption
        assert resumption is not None
        assert resumption.handle == "newer"

    def test_the_callers_config_is_not_changed(self) -> None:
        config = types.LiveConnectConfig(system_instruction="be brief")
        transport(config=config).config_for(Open(1, "handle"))
        assert config == types.LiveConnectConfig(system_instruction="be brief")

    def test_initial_history_is_never_announced_to_a_resumed_session(self) -> None:
        opener = transport(config={"history_config": {"initial_history_in_client_content": True}})
        assert opener.config_for(FRESH).history_config is not None
        assert opener.config_for(Open(2, "handle")).history_config is None
        assert opener.config_for(Open(3, None)).history_config is None
        assert opener.config_for(Open(3, None, seeded=True)).history_config is not None

    def test_a_wrong_field_is_named(self) -> None:
        with pytest.raises(relive.SettingError, match="temperature"):
            read_config({"temperature": "hot"})  # pyright: ignore[reportArgumentType]


class TestRefusals:
    async def test_an_http_status(self) -> None:
        async with hosted() as host:
            host.server.refuse_next(503)
            drop = await refused(transport(client_of(host)))
        assert (drop.status, drop.origin, drop.phase) == (503, "server", "opening")

    async def test_a_close_instead_of_an_answer(self) -> None:
        async with hosted(ServerScript(models=frozenset({"another"}))) as host:
            drop = await refused(transport(client_of(host)))
        assert drop.code == 1008
        assert drop.reason.startswith("models/m is not found")

    async def test_nobody_listens(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            url = f"https://127.0.0.1:{free.getsockname()[1]}"
            drop = await refused(transport(genai.Client(api_key="dummy", http_options={"base_url": url})))
        assert drop.origin == "network"

    async def test_a_certificate_that_nobody_vouches_for_is_a_setting_and_no_accident(self) -> None:
        async with hosted() as host:
            options: Any = {
                "base_url": host.base_url,
                "async_client_args": {"ssl": ssl.create_default_context()},
            }
            drop = await refused(transport(genai.Client(api_key="dummy", http_options=options)))
        assert drop.origin == "local"
        assert "certificate" in drop.reason

    async def test_transparent_on_the_developer_api(self) -> None:
        async with hosted() as host:
            drop = await refused(transport(client_of(host), policy=relive.Policy(transparent=True)))
        assert drop.origin == "local"
        assert "transparent" in drop.reason

    async def test_a_first_frame_that_is_not_setup_complete(self) -> None:
        async with hosted() as host:
            host.server.hang_next_setup()
            opening = asyncio.ensure_future(transport(client_of(host)).open(FRESH))
            await until(lambda: bool(host.server.live))
            host.server.inject(host.server.live[0], b'{"serverContent": {}}', host.now)
            host.flush()
            with pytest.raises(ConnectionGone) as caught:
                await opening
        assert caught.value.drop.phase == "opening"


class TestConnections:
    async def test_frames_go_both_ways_and_the_end_is_told(self) -> None:
        async with hosted() as host:
            connection = await transport(client_of(host)).open(FRESH)
            assert connection.session_id is not None
            assert connection.writable  # `paused` and `protocol.state` of the library's connection are where they were
            await connection.send('{"realtime_input": {"text": "hello"}}')
            assert b"turn " in await connection.recv()
            assert await connection.ping() >= 0.0
            host.server.close(host.server.live[0], 1011, "Internal error encountered.", host.now)
            host.flush()
            with pytest.raises(ConnectionGone) as caught:  # noqa: PT012 - the end comes after frames
                while True:
                    await connection.recv()
            assert (caught.value.drop.code, caught.value.drop.origin) == (1011, "server")
            with pytest.raises(ConnectionGone):
                await connection.send("{}")
            with pytest.raises(ConnectionGone):
                await connection.ping()
            await connection.close()

    async def test_a_reset_is_the_networks(self) -> None:
        async with hosted() as host:
            connection = await transport(client_of(host)).open(FRESH)
            host.kill(host.server.live[0])
            with pytest.raises(ConnectionGone) as caught:
                await connection.recv()
            assert (caught.value.drop.code, caught.value.drop.origin) == (1006, "network")
            connection.abort()

    async def test_a_dial_that_is_given_up_leaves_nothing_behind(self) -> None:
        async with hosted() as host:
            host.server.hang_next_setup()
            opener = transport(client_of(host))
            dialling = asyncio.ensure_future(opener.open(FRESH))
            await until(lambda: bool(host.server.live))
            dialling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await dialling
            async with asyncio.timeout(2.0):
                await opener.aclose()
                await until(lambda: not host.server.live)
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not [task for task in left if "genai" in repr(task)]

    async def test_an_aborted_connection_is_gone_at_once(self) -> None:
        async with hosted() as host:
            opener = transport(client_of(host))
            connection = await opener.open(FRESH)
            connection.abort()
            connection.abort()
            await opener.aclose()
            with pytest.raises(ConnectionGone):
                await connection.recv()


async def test_credentials_are_renewed_for_every_connection() -> None:
    """P12: an async factory supplies a client each time."""
    async with hosted() as host:
        made: list[genai.Client] = []

        async def factory() -> genai.Client:
            made.append(client_of(host))
            return made[-1]

        async with relive.connect(factory, model="m", policy=relive.Policy(stable_after=0.0)) as session:
            await session.send_client_content(turns=types.Content(role="user", parts=[types.Part(text="hello")]))
            async for _ in session.receive():
                pass
            host.kill(host.server.live[0])
            await session.wait_for("RESUMING")
            await session.wait_for("ACTIVE")
    assert len(made) == 2


async def test_what_is_no_client_is_named() -> None:
    with pytest.raises(relive.SettingError, match="client"):
        async with relive.connect("a key", model="m"):  # type: ignore[arg-type]
            pass


async def test_a_server_that_accepts_tcp_and_says_nothing_is_given_up() -> None:
    """P10, P22: over a real socket, with a small budget."""
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        url = f"https://127.0.0.1:{mute.getsockname()[1]}"
        client = genai.Client(api_key="dummy", http_options={"base_url": url})
        policy = relive.Policy(open_timeout=0.1, setup_timeout=0.1, retry_attempts=2, retry_base=0.01)
        with pytest.raises(relive.SessionFailed, match="2 attempts"):
            async with relive.connect(client, model="m", policy=policy):
                pass
