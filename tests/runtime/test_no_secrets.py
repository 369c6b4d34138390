"""P5: nothing that relive creates holds a handle or a key: no repr, record, notice, transition, error or traceback.

What the websocket library logs is looked at in `tests/transports/test_discretion.py`.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable
from typing import Any, cast

import pytest
from google import genai
from google.genai import types
from tests.runtime.puppets import (
    Exchange,
    Play,
    Shelf,
    Witness,
    go_away,
    moment,
    playing,
    said,
    simulated,
    text,
    update,
)

import relive
from relive.core.closes import Dropped
from relive.core.effects import Transition
from relive.runtime import DialLimiter
from relive.testing.host_tls import TlsHost
from relive.testing.server import FakeLiveServer
from relive.testing.server_script import ServerScript

HANDLE = "canary-handle-0815"
KEY = "canary-key-4711"
POLICY = relive.Policy(stable_after=0.5)
QUOTING = Dropped(1008, f"BidiGenerateContent session not found: {HANDLE}", "opening")


def texts_of(error: BaseException) -> str:
    return "\n".join((str(error), repr(error), "".join(traceback.format_exception(error))))


def found_in(told: list[str]) -> list[str]:
    return [one for one in told if HANDLE in one or KEY in one]


class Everything(Witness):
    """Writes down all that observers are told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def transition(self, transition: Transition) -> None:
        super().transition(transition)
        self.told.append(repr(transition))

    def notice(self, notice: Any) -> None:
        super().notice(notice)
        self.told.append(repr(notice))


def reprs(play: Play) -> list[str]:
    runtime: Any = play.runtime
    life = runtime.lifecycle
    things = (
        runtime, life, life.scene, life.scene.situation, life.journal, life.journal.written, life.snapshot(),
        life.verdict, runtime.link, runtime.stats(), play.channel, runtime.watch, runtime._keeper, runtime.ended,
        runtime.delivery, runtime._dialling, runtime._asking, runtime.outgoing, play.exchange.openings,
    )  # fmt: skip
    return [f"{thing!r} {thing}" for thing in things]


async def resumes_after_go_away(play: Play, shelf: Shelf) -> None:
    play.wire.says(go_away(0))
    await asyncio.sleep(1)
    assert play.exchange.openings[-1].handle == HANDLE


async def resumes_after_a_reset(play: Play, shelf: Shelf) -> None:
    play.wire.ends(Dropped(1011, f"lost {HANDLE}"))
    await asyncio.sleep(1)
    assert play.exchange.openings[-1].handle == HANDLE


async def begins_afresh_after_a_rejection(play: Play, shelf: Shelf) -> None:
    play.exchange.refusals.append(QUOTING)
    play.wire.ends()
    await asyncio.sleep(1)
    assert str(play.runtime.lifecycle.verdict) == "not_restored(rejected)"


async def fails_with_a_reason_that_quotes(play: Play, shelf: Shelf) -> None:
    play.wire.ends(Dropped(1007, f"API key not valid. {HANDLE}"))
    await moment()
    assert play.state == "FAILED"


async def goes_on_without_a_store(play: Play, shelf: Shelf) -> None:
    shelf.raises = {name: ValueError(f"cannot {name} {HANDLE}") for name in ("save", "condemn")}
    play.wire.says(update(HANDLE))
    await begins_afresh_after_a_rejection(play, shelf)


async def breaks(play: Play, shelf: Shelf) -> None:
    play.wire.says(None)
    await moment()
    assert play.state == "FAILED"


FATES: tuple[Callable[..., Any], ...] = (
    resumes_after_go_away, resumes_after_a_reset, begins_afresh_after_a_rejection, fails_with_a_reason_that_quotes,
    goes_on_without_a_store, breaks,
)  # fmt: skip


@pytest.mark.parametrize("fate", FATES)
@simulated
async def test_a_session_tells_no_handle_whatever_becomes_of_it(
    fate: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    shelf, observer = Shelf(), Everything()
    told: list[str] = []
    async with playing(policy=POLICY, store=shelf, key="ada", observers=[observer]) as play:
        await play.channel.send(text("hello"))
        play.wire.says(said("hi"), update(HANDLE))
        await asyncio.sleep(1)
        told += reprs(play)
        await fate(play, shelf)
        told += reprs(play)
        await play.runtime.close()
        told += reprs(play)
        for method in (play.channel.recv, lambda: play.channel.send(text("late"))):
            with pytest.raises(relive.ReliveError) as caught:
                await again_and_again(method)
            told.append(texts_of(caught.value))
    assert observer.states[-1] == play.state
    assert caplog.records
    assert found_in([*told, *observer.told, caplog.text, *map(repr, caplog.records)]) == []


async def again_and_again(method: Callable[[], Any]) -> None:
    while True:
        await method()


@pytest.mark.parametrize("failure", [QUOTING, ValueError(f"the setting {HANDLE} is wrong")])
@simulated
async def test_a_session_that_cannot_be_opened_does_not_quote_the_handle_it_was_given(
    failure: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    exchange = Exchange()
    if isinstance(failure, Exception):
        exchange.raises["open"] = failure
    else:
        exchange.refusals.append(failure)
    client = genai.Client(api_key=KEY)
    config = types.LiveConnectConfig(session_resumption=types.SessionResumptionConfig(handle=HANDLE))
    policy = relive.Policy(classify=lambda _drop, _judgement: "fatal")
    options: Any = {"limiter": DialLimiter(), "transport": cast("Any", exchange), "policy": policy}
    with pytest.raises(relive.SessionFailed) as caught:
        async with relive.connect(client, model="model", config=config, **options):
            pass
    client.close()
    assert exchange.openings[0].handle == HANDLE
    assert found_in([texts_of(caught.value), caplog.text]) == []


async def test_a_wrong_key_is_not_quoted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="relive")
    script = ServerScript(keys=frozenset({"another"}))
    async with TlsHost(FakeLiveServer(script)) as host:
        http_options: Any = host.http_options()
        client = genai.Client(api_key=KEY, http_options=http_options)
        config = types.LiveConnectConfig(session_resumption=types.SessionResumptionConfig(handle=HANDLE))
        with pytest.raises(relive.SessionFailed) as caught:
            async with relive.connect(client, model="m", config=config):
                pass
    assert caught.value.failure.cause == "fatal"
    assert found_in([texts_of(caught.value), *(record.getMessage() for record in caplog.records)]) == []
