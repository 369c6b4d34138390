"""A session as a tree of spans: what OpenTelemetry's exporter gets of real sessions."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from opentelemetry import trace
from tests.runtime.puppets import Exchange, moment, playing, simulated as played, staged, update
from tests.scenarios.test_states import QUICK, eventful
from tests.scenarios.world import simulated, world
from tests.telemetry.readings import COMMON, Readings

import relive
from relive.core.closes import Dropped
from relive.telemetry.opentelemetry import Telemetry
from relive.testing.server import FakeLiveServer
from relive.testing.server_script import CLOSES, ServerScript


@simulated
async def test_an_ordinary_life_is_a_span_with_one_for_each_dial_and_each_connection() -> None:
    readings = Readings()
    async with world(policy=QUICK, observers=[readings.observer()]) as w:
        await eventful(w)
    assert readings.tree() == [
        "session 9.24",
        "  dial 0.00 #1 CONNECTING [dialled]",
        "  connection 1.08 #1 fresh [go_away] [draining]",
        "  dial 0.00 #2 RESUMING [dialled]",
        "  connection 3.08 #2 resumed error network (network) [lost]",
        "  dial 0.00 #3 RESUMING error 503 (503) [dialled]",
        "  dial 0.00 #4 RESUMING [dialled]",
        "  connection 2.86 #4 resumed error 1011 (1011: Internal error encountered.) [lost]",
        f"  dial 0.00 #5 RESUMING error 1008 (1008: {CLOSES['session_not_found'][1]}) [dialled] [handle_quarantined]",
        "  dial 0.00 #6 CONNECTING [dialled]",
        "  connection 2.00 #6 not_restored rejected",
    ]


@simulated
async def test_a_go_away_is_an_event_with_its_lead_and_a_time_of_its_own() -> None:
    readings = Readings()
    async with world(policy=QUICK, observers=[readings.observer()]) as w:
        await eventful(w)
    (connection,) = [span for span in readings.spans if "draining" in str([event.name for event in span.events])]
    heard, drain = connection.events
    assert dict(heard.attributes or {}) == {"relive.connection": 1, "relive.seconds": 30.0}
    assert dict(drain.attributes or {}) == {"relive.event": "GoAwayReceived"}
    assert heard.timestamp == drain.timestamp == connection.end_time


@simulated
async def test_a_session_that_fails_says_why() -> None:
    readings = Readings()
    server = FakeLiveServer(ServerScript(models=frozenset({"another"})))
    with pytest.raises(relive.SessionFailed):
        async with world(server=server, observers=[readings.observer()]):
            pass
    reason = CLOSES["unknown_model"][1].replace("models/x", "models/memory").replace("v1beta", "v1beta1")
    assert readings.tree() == [
        f"session 0.00 error fatal (fatal: 1008: {reason})",
        f"  dial 0.00 #1 CONNECTING error 1008 (1008: {reason}) [dialled] [failed]",
    ]


@simulated
async def test_the_sessions_span_names_model_and_conversation_and_lies_below_the_current_one() -> None:
    readings = Readings()
    with readings.tracers.get_tracer("the application").start_as_current_span("request") as request:
        observer = readings.observer(conversation="ada", provider="gcp.vertex_ai")
    async with world(observers=[observer]):
        await asyncio.sleep(1.0)
    session = next(span for span in readings.spans if span.name == "relive.session")
    named = {"gen_ai.provider.name": "gcp.vertex_ai", "gen_ai.conversation.id": "ada"}
    assert dict(session.attributes or {}) == {**COMMON, **named}
    assert session.parent == request.get_span_context()
    scope = session.instrumentation_scope
    assert scope is not None
    assert (scope.name, scope.version) == ("relive", relive.__version__)
    assert scope.schema_url == "https://opentelemetry.io/schemas/1.37.0"
    below = {span.parent.span_id for span in readings.spans if span.name.startswith("relive.") and span.parent}
    assert session.context is not None
    assert below == {session.context.span_id, request.get_span_context().span_id}


@played
async def test_a_connection_that_falls_silent_and_a_dial_that_takes_too_long_are_named_by_their_deadlines() -> None:
    readings, exchange = Readings(), Exchange()
    exchange.every["hung"] = {"ping"}
    policy = relive.Policy(stable_after=0.5, probe_after=1.0, probe_timeout=1.0, open_timeout=2.0, setup_timeout=1.0)
    async with playing(policy=policy, exchange=exchange, observers=[readings.observer()]) as play:
        play.wire.says(update("one"))
        await moment()
        exchange.hung.add("open")
        await asyncio.sleep(4.0)
        exchange.hung.clear()
        exchange.every["hung"] = set()
        await asyncio.sleep(10.0)
    errors = [line.partition(" error ")[2] for line in readings.tree() if "error" in line]
    assert errors == ["silence (silence)", "opening (opening)"]


@played
async def test_what_happens_before_the_first_transition_is_told_of_the_session() -> None:
    readings = Readings()
    store: Any = object()  # has none of a store's methods
    async with playing(policy=QUICK, store=store, key="ada", observers=[readings.observer()]):
        await moment()
    lines = readings.tree()
    assert lines[0] == "session 0.00 [store_error]"
    assert lines[1:] == [
        "  dial 0.00 #1 CONNECTING [dialled]",
        "  connection 0.00 #1 not_restored store_unavailable",
    ]


@played
async def test_a_session_whose_machine_breaks_ends_its_spans_all_the_same() -> None:
    readings = Readings()
    play = staged(policy=QUICK, observers=[readings.observer()])
    await play.runtime.start()

    def broken(*_args: object) -> Any:
        raise ValueError("broken")

    lifecycle: Any = type("Broken", (), {"handle": broken, "__getattr__": lambda _, name: getattr(whole, name)})()
    whole, play.runtime.lifecycle = play.runtime.lifecycle, lifecycle
    play.wire.ends(Dropped(1011))
    await moment()
    await play.runtime.close()
    assert readings.tree()[0].startswith("session 0.00 error internal (internal: local)")
    assert readings.points("relive.sessions") == {"state=CONNECTING": 0, "state=ACTIVE": 0}


def test_the_global_providers_are_used_if_none_is_given_and_cost_nothing_without_an_sdk() -> None:
    observer = Telemetry().observer(model="m")
    observer.transition(relive.Transition("IDLE", "CONNECTING", "ConnectRequested", 0.0, 1))
    observer.transition(relive.Transition("CONNECTING", "CLOSED", "CloseRequested", 1.0, 1))
    assert not trace.get_current_span().is_recording()


def test_unknown_conventions_are_refused() -> None:
    unknown: Any = "0.1"
    with pytest.raises(relive.SettingError, match=r"semconv is '0\.1', but must be one of 1\.37"):
        Telemetry(semconv=unknown)
