"""The log: a line per transition and per notice, with fields, and never two of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from tests.scenarios.test_states import QUICK, eventful
from tests.scenarios.world import simulated, world

import relive
from relive.core.effects import Verdict
from relive.ports import Notice
from relive.telemetry.logging import LogObserver
from relive.testing.server import FakeLiveServer
from relive.testing.server_script import ServerScript

FIELDS = {"relive_connection", "relive_at", "relive_conversation"}
OF_TRANSITIONS = FIELDS | {"relive_state", "relive_from", "relive_event", "relive_verdict"}
OF_NOTICES = FIELDS | {"relive_notice", "relive_detail", "relive_seconds"}


class Kept(logging.Handler):
    """A handler that keeps what it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @property
    def lines(self) -> list[str]:
        return [f"{record.levelname} {record.getMessage()}" for record in self.records]


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name.startswith("relive_")}


@pytest.fixture
def kept() -> Iterator[Kept]:
    """What the logger ``relive`` writes at INFO."""
    logger, handler = logging.getLogger("relive"), Kept()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_an_ordinary_life_is_a_line_for_each_step_and_each_notice(kept: Kept) -> None:
    @simulated
    async def life() -> None:
        async with world(policy=QUICK) as w:
            await eventful(w)

    life()
    assert kept.lines == [
        "INFO IDLE → CONNECTING on ConnectRequested (connection 1)",
        "INFO dialled: 0.000 s (connection 1)",
        "INFO CONNECTING → ACTIVE on ConnectionOpened (connection 1): fresh",
        "INFO go_away: 30.000 s (connection 1)",
        "INFO ACTIVE → DRAINING on GoAwayReceived (connection 1)",
        "INFO DRAINING → RESUMING on SafePointReached (connection 1)",
        "INFO dialled: 0.000 s (connection 2)",
        "INFO RESUMING → ACTIVE on ConnectionOpened (connection 2): resumed",
        "INFO lost: network (connection 2)",
        "INFO ACTIVE → RESUMING on ConnectionDropped (connection 3)",
        "INFO dialled: 503 (connection 3)",
        "INFO RESUMING → WAITING on OpenFailed (connection 3)",
        "INFO WAITING → RESUMING on DeadlineReached(retry) (connection 4)",
        "INFO dialled: 0.000 s (connection 4)",
        "INFO RESUMING → ACTIVE on ConnectionOpened (connection 4): resumed",
        "INFO lost: 1011: Internal error encountered. (connection 4)",
        "INFO ACTIVE → RESUMING on ConnectionDropped (connection 5)",
        "INFO dialled: 1008: BidiGenerateContent session not found (connection 5)",
        "WARNING handle_quarantined: rejected (connection 5)",
        "INFO RESUMING → HANDLE_EXPIRED on OpenFailed (connection 5)",
        "INFO HANDLE_EXPIRED → CONNECTING on SeedAnswered (connection 6)",
        "INFO dialled: 0.000 s (connection 6)",
        "INFO CONNECTING → ACTIVE on ConnectionOpened (connection 6): not_restored(rejected)",
        "INFO ACTIVE → CLOSED on CloseRequested (connection 6)",
    ]
    transitions = [record for record in kept.records if hasattr(record, "relive_state")]
    assert all(fields_of(record).keys() == OF_TRANSITIONS for record in transitions)
    notices = [record for record in kept.records if hasattr(record, "relive_notice")]
    assert all(fields_of(record).keys() == OF_NOTICES for record in notices)
    assert len(transitions) + len(notices) == len(kept.records)


def test_a_failure_is_an_error(kept: Kept) -> None:
    @simulated
    async def life() -> None:
        with pytest.raises(relive.SessionFailed):
            async with world(server=FakeLiveServer(ServerScript(models=frozenset({"another"})))):
                pass

    life()
    (error,) = [record for record in kept.records if record.levelno >= logging.WARNING]
    assert error.levelno == logging.ERROR
    assert fields_of(error)["relive_notice"] == "failed"
    assert error.getMessage().startswith("failed: fatal: 1008: models/memory is not found")


def test_an_observer_of_ones_own_writes_in_place_of_the_runtime(kept: Kept) -> None:
    """One line per step, whoever writes it; and another session still has its own."""
    own, elsewhere = Kept(), logging.Logger("elsewhere")  # noqa: LOG001 - outside the tree of loggers
    elsewhere.addHandler(own)

    @simulated
    async def life() -> None:
        named, moved = LogObserver(conversation="ada"), LogObserver(elsewhere)
        for observers in ([named], [moved], [named, moved]):
            async with world(observers=observers):
                await asyncio.sleep(1.0)

    life()
    assert len(kept.lines) == len(own.lines) == 2 * 4
    assert {fields_of(record)["relive_conversation"] for record in kept.records} == {"ada"}
    assert {fields_of(record)["relive_conversation"] for record in own.records} == {None}


def test_fields_carry_what_the_line_says(kept: Kept) -> None:
    observer = LogObserver(conversation="ada")
    verdict = Verdict("not_restored", "expired")
    observer.transition(relive.Transition("CONNECTING", "ACTIVE", "ConnectionOpened", 7.5, 3, verdict))
    observer.notice(Notice("go_away", "", 8.0, 3, 30.0))
    step, notice = (fields_of(record) for record in kept.records)
    assert step == {
        "relive_state": "ACTIVE", "relive_from": "CONNECTING", "relive_event": "ConnectionOpened",
        "relive_verdict": "not_restored(expired)", "relive_connection": 3, "relive_at": 7.5,
        "relive_conversation": "ada",
    }  # fmt: skip
    assert notice == {
        "relive_notice": "go_away", "relive_detail": "", "relive_seconds": 30.0, "relive_connection": 3,
        "relive_at": 8.0, "relive_conversation": "ada",
    }  # fmt: skip


def test_what_nobody_listens_to_is_not_made(kept: Kept) -> None:
    logging.getLogger("relive").setLevel(logging.CRITICAL)
    observer = LogObserver()
    observer.transition(relive.Transition("IDLE", "CONNECTING", "ConnectRequested", 0.0, 1))
    observer.notice(Notice("store_error", "", 0.0, 1))
    assert kept.records == []


def test_the_library_is_silent_until_logging_is_set_up(capsys: pytest.CaptureFixture[str]) -> None:
    """Python would print warnings of loggers without a handler to stderr."""
    assert any(isinstance(handler, logging.NullHandler) for handler in logging.getLogger("relive").handlers)
