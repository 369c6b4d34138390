"""A test's own fake model that raises, or answers with what is no answer: whatever it is tested with says so."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable
from typing import Any, cast

import pytest
from google.genai import types
from google.genai.errors import APIError
from google.genai.live import AsyncSession
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.testing.test_loop import simulated
from tests.testing.test_plugin import LIVE, run as run_pytest

import relive
from relive.testing import server_client as say
from relive.testing.host_tls import TlsHost
from relive.testing.server import FakeLiveServer
from relive.testing.server_client import DirectClient
from relive.testing.server_model import (
    Answer,
    CallTools,
    EchoModel,
    FunctionCall,
    Model,
    ModelFailed,
    Raw,
    Say,
    Speak,
    TurnInput,
)
from relive.testing.server_script import CLOSES, ServerScript
from relive.testing.simulation import faults as f
from relive.testing.simulation.embedding import AgentHistory, hold_agent, make_client, play_agent
from relive.testing.simulation.plan import Plan, Step
from relive.testing.stateful import LiveSessionMachine
from relive.testing.strategies import patient

pytest_plugins = ["pytester"]

PLAN = Plan(seconds=60.0, calm=30.0, steps=(Step(fault=f.ResetPeer(), at=6.0),))


class Slip:
    """Looks at what is not there, once it is asked twice."""

    def answer(self, said: TurnInput) -> Answer:
        if said.turn == 1:
            return EchoModel().answer(said)
        return Answer((Say(cast("Any", said).words),))


class Speechless:
    def answer(self, said: TurnInput) -> Any:
        """Forget to answer."""


class Unasked:
    def answer(self, said: TurnInput) -> Answer:
        pytest.fail("nobody was to ask it")


async def ask(session: AsyncSession, text: str) -> str:
    """Say something, and return what is heard."""
    await session.send_client_content(turns=types.Content(role="user", parts=[types.Part(text=text)]))
    return "".join([message.text or "" async for message in session.receive()])


async def chat(client: Any) -> list[str]:
    """Say three things, and return what is heard."""
    async with relive.connect(client, model="m") as session:
        return [await ask(session, text) for text in "012"]


@pytest.mark.parametrize(
    ("model", "what", "cause"),
    [
        (Slip(), r"Slip raised AttributeError: .*words.*turn=2, text='1'", AttributeError),
        (Speechless(), r"Speechless returned None, which is no Answer.*text='0'", ModelFailed),
        (Unasked(), r"Unasked raised Failed: nobody was to ask it", pytest.fail.Exception),
    ],
    ids=["raises", "answers nothing", "fails the test"],
)
def test_an_application_is_not_held_to_anything_with_a_model_that_fails(
    model: Model, what: str, cause: type[BaseException]
) -> None:
    asked: list[AgentHistory] = []
    with pytest.raises(AssertionError, match=f"the fake model {what}") as caught:
        hold_agent(chat, PLAN, asked.append, model=model)
    assert isinstance(caught.value.__cause__, cause)
    assert caught.value.__cause__.__traceback__ is not None
    assert "hold_agent(chat, Plan.from_json(" in str(caught.value)
    assert not asked
    history = play_agent(chat, PLAN, model=model)
    assert history.gave_up
    assert isinstance(history.server.model_failure, ModelFailed)


def script(model: Model, **changes: Any) -> ServerScript:
    return ServerScript(model=model, **changes)


@pytest.mark.parametrize("lag", [0.0, 1.0])
def test_the_connection_ends_as_with_an_internal_error_and_others_go_on(
    lag: float, caplog: pytest.LogCaptureFixture
) -> None:
    client = DirectClient(FakeLiveServer(script(Slip(), consume_lag=lag)))
    conn, other = client.connect(), client.connect()
    for text in ("one", "two"):
        client.send(conn, say.content(text))
        client.wait(5.0)
    assert client.server.live == (other,)
    ended = client.server.admissions[conn - 1]
    assert (ended.ended_by, (ended.code, ended.reason)) == ("server", CLOSES["internal_error"])
    first = client.server.model_failure
    assert first is not None
    assert (first.said.turn, first.said.text) == (2, "two")
    client.send(other, say.content("one"))
    client.wait(5.0)
    assert client.contents(other)[-1] == "turnComplete"
    client.send(other, say.content("three"))
    client.wait(5.0)
    assert client.server.live == ()
    assert client.server.model_failure is first
    assert [(record.levelno, record.getMessage()) for record in caplog.records if record.name == "relive.testing"] == [
        (logging.ERROR, str(first))
    ]


def test_so_it_does_when_it_is_asked_because_somebody_fell_silent() -> None:
    client = DirectClient(FakeLiveServer(script(Speechless(), vad_silence=0.5)))
    conn = client.connect()
    client.send(conn, say.audio(b"\x01\x02" * 160))
    assert client.server.live == (conn,)
    client.wait(1.0)
    assert client.server.live == ()
    assert client.server.model_failure is not None


@simulated
async def test_a_host_serves_others_meanwhile_and_whoever_asked_gets_an_error() -> None:
    async with TlsHost(FakeLiveServer(script(Slip()))) as host:
        client = make_client(host)
        async with client.aio.live.connect(model="m") as patient_one:
            async with client.aio.live.connect(model="m") as session:
                assert await ask(session, "one") == "turn 1: one"
                with pytest.raises(APIError, match="Internal error encountered"):
                    await ask(session, "two")
            assert await ask(patient_one, "one") == "turn 1: one"
        await client.aio.aclose()
    assert host.server.model_failure is not None


UNSENDABLE: dict[str, Callable[[], object]] = {
    "an item that is none": lambda: Answer(cast("Any", ("hello",))),
    "an item and no tuple": lambda: Answer(cast("Any", Say("hello"))),
    "time that runs backwards": lambda: Answer(playback=-1.0),
    "text that is bytes": lambda: Say(cast("Any", b"hello")),
    "no number": lambda: Say("hello", delay=float("nan")),
    "no delay": lambda: Say("hello", delay=cast("Any", None)),
    "sound that is text": lambda: Speak(cast("Any", "hello")),
    "no frame": lambda: Raw(cast("Any", None)),
    "a call and no tuple": lambda: CallTools(cast("Any", FunctionCall("f"))),
    "a call that is none": lambda: CallTools(cast("Any", ("f",))),
    "arguments that are no JSON": lambda: FunctionCall("f", {"on": dt.date(2026, 1, 1)}),
}


@pytest.mark.parametrize("make", UNSENDABLE.values(), ids=UNSENDABLE)
def test_what_cannot_be_sent_is_refused_where_it_is_made(make: Callable[[], object]) -> None:
    with pytest.raises((TypeError, ValueError)):
        make()


def test_the_fixture_says_so_when_the_test_is_over(pytester: pytest.Pytester) -> None:
    result = run_pytest(pytester, LIVE + """
from relive.testing import ServerScript

class Broken:
    def answer(self, said):
        raise LookupError("no such line")

@pytest.fixture
def live_script():
    return ServerScript(model=Broken())

@pytest.mark.virtual_time
async def test_that_notices_nothing(live_client):
    try:
        async with relive.connect(live_client, model="m") as session:
            await talk(session)
    except relive.SessionFailed:
        pass

@pytest.mark.virtual_time
async def test_that_asks_nothing(live_client):
    async with relive.connect(live_client, model="m"):
        pass
""")  # fmt: skip
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*LookupError: no such line", "*", "*ModelFailed: the fake model Broken raised Look*"])


class SlipMachine(LiveSessionMachine):
    script = ServerScript(model=Slip(), vad_silence=None)


def test_the_state_machine_says_so() -> None:
    with pytest.raises(ModelFailed, match="the fake model Slip raised AttributeError"):
        run_state_machine_as_test(SlipMachine, settings=settings(patient, database=None, phases=[Phase.generate]))


def test_the_state_machine_waits_no_longer_for_rest_once_it_has_failed() -> None:
    """The session dials, asks and is dropped, thousands of times a second."""
    machine: Any = SlipMachine()
    machine.begin()
    machine.refuse()
    machine.reset()
    for _ in range(3):
        machine.say()
    assert machine.server.model_failure is None
    with pytest.raises(ModelFailed, match="the fake model Slip raised AttributeError"):
        machine.teardown()
    assert len(machine.steps) < 50
