"""The fixtures of the pytest plugin that need pytest-asyncio: registered if it is active."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

if TYPE_CHECKING:
    from google.genai import Client

    from relive.testing.host_tls import TlsHost
    from relive.testing.server_script import ServerScript


@pytest_asyncio.fixture
async def live_server(request: pytest.FixtureRequest, live_script: ServerScript) -> AsyncGenerator[TlsHost]:
    """Serve a fake Live server: in memory if the test is in virtual time, else over TLS.

    Raises:
        ModelFailed: afterwards, if its model had failed: then the test has shown nothing, whatever came of it.
    """
    from relive.testing.host_tls import TlsHost
    from relive.testing.server import FakeLiveServer

    seed: int | None = request.config.getoption("--relive-seed")
    async with TlsHost(FakeLiveServer(live_script, seed=seed or 0)) as host:
        yield host
    if host.server.model_failure is not None:
        raise host.server.model_failure


@pytest_asyncio.fixture
async def live_client(live_server: TlsHost) -> AsyncGenerator[Client]:
    """Make a client of the SDK that finds `live_server`."""
    from relive.testing.simulation.embedding import make_client

    client = make_client(live_server)
    yield client
    await client.aio.aclose()
    client.close()
