"""Slips in what a test asks of the fake server are told, and do not pass for nothing at all."""

from __future__ import annotations

import math
from typing import Any

import pytest

from relive.testing.host_tls import TlsHost
from relive.testing.server import FakeLiveServer
from relive.testing.server_client import DirectClient


def test_what_was_consumed_is_of_a_kind_that_there_is() -> None:
    c = DirectClient(FakeLiveServer())
    slip: Any = "contents"
    with pytest.raises(ValueError, match="the kind 'contents'; there are audio, video, text, content, "):
        c.server.ground_truth(slip)
    c.connect()
    with pytest.raises(ValueError, match="the kind 'contents'; there are audio, video, text, content, "):
        c.server.sessions[0].payloads(slip)


def test_what_is_said_out_of_turn_is_of_a_kind_that_there_is() -> None:
    c = DirectClient(FakeLiveServer())
    slip: Any = "outptu"
    with pytest.raises(ValueError, match=r"the kind 'outptu'; there are tool_call, .*, output, "):
        c.server.unsolicited(c.connect(), slip, c.now)


@pytest.mark.parametrize("seconds", [math.nan, math.inf])
def test_a_go_away_leaves_a_number_of_seconds(seconds: float) -> None:
    c = DirectClient(FakeLiveServer())
    with pytest.raises(ValueError, match=f"and not {seconds}"):
        c.server.go_away(c.connect(), seconds, c.now)


def test_a_close_has_a_code_that_a_frame_can_have() -> None:
    c = DirectClient(FakeLiveServer())
    with pytest.raises(ValueError, match="from 1000 to 4999, or None for a reset, and not 99999"):
        c.server.close(c.connect(), 99999, "", c.now)


async def test_who_asks_for_the_newest_connection_is_told_that_there_is_none() -> None:
    async with TlsHost(FakeLiveServer()) as host:
        with pytest.raises(IndexError, match="no connection is open at the server: there were 0, and all"):
            host.go_away(3.0)
