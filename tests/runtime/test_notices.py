"""P23: what every session tells besides its transitions: dials, GoAways, losses, failures. And counts, to a `Meter`."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from tests.runtime.puppets import RESET, Exchange, Witness, go_away, moment, playing, simulated, staged, update

from relive.core.closes import Dropped
from relive.core.effects import Transition
from relive.core.policy import Policy
from relive.errors import SessionFailed
from relive.ports import Meter, Notice, Stats, Ticking
from relive.telemetry.logging import LogObserver

CALM = Policy(stable_after=0.5, probe=False)


class Clerk(Witness):
    """An observer that is a `Meter`: writes down all that it is told, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []
        self.counts: list[Stats] = []

    def transition(self, transition: Transition) -> None:
        super().transition(transition)
        self.told.append(transition.dest)

    def notice(self, notice: Notice) -> None:
        super().notice(notice)
        self.told.append(notice.what)

    def counted(self, stats: Stats) -> None:
        self.counts.append(stats)
        self.told.append("counted")

    def details_of(self, what: str) -> list[str]:
        return [notice.detail for notice in self.notices if notice.what == what]


class Dial(Exchange):
    """Every dial takes a while."""

    async def open(self, opening: Any) -> Any:
        await asyncio.sleep(1.5)
        return await super().open(opening)


@simulated
async def test_a_dial_that_comes_up_tells_how_long_it_took_before_the_session_is_active() -> None:
    clerk = Clerk()
    async with playing(policy=CALM, exchange=Dial(), observers=[clerk]):
        await moment()
    assert clerk.told[:4] == ["CONNECTING", "counted", "dialled", "ACTIVE"]
    assert clerk.notices[0] == Notice("dialled", "", 1.5, 1, 1.5)


@simulated
async def test_a_dial_that_fails_tells_why_and_not_how_long() -> None:
    exchange, clerk = Exchange(), Clerk()
    exchange.refusals += [Dropped(None, "<html>", "opening", 503), Dropped(1011, "Internal error", "opening")]
    async with playing(policy=CALM, exchange=exchange, observers=[clerk]):
        await moment()
    dials = [(notice.detail, notice.seconds, notice.connection) for notice in clerk.notices]
    assert dials == [("503", None, 1), ("1011: Internal error", None, 2), ("", 0.0, 3)]


@simulated
async def test_a_dial_that_nobody_waits_for_any_more_tells_nothing() -> None:
    exchange, clerk = Exchange(), Clerk()
    exchange.stubborn.add("open")
    exchange.refusals.append(RESET)
    play = staged(policy=CALM, exchange=exchange, observers=[clerk])
    starting = asyncio.create_task(play.runtime.start())
    await moment()
    closing = asyncio.create_task(play.runtime.close())
    await moment()
    exchange.let_go()
    await closing
    with pytest.raises(Exception, match="closed"):
        await starting
    assert clerk.notices == []


@simulated
async def test_a_go_away_tells_how_long_is_left_also_if_that_is_nothing() -> None:
    clerk = Clerk()
    async with playing(policy=CALM, observers=[clerk]) as play:
        play.wire.says(update("one"), go_away(30.0), go_away(0))
        await moment()
        assert [(n.what, n.seconds) for n in clerk.notices[1:3]] == [("go_away", 30.0), ("go_away", 0.0)]
    assert clerk.told.index("go_away") < clerk.told.index("DRAINING")


@simulated
async def test_a_lost_connection_tells_how_before_anything_comes_of_it() -> None:
    clerk = Clerk()
    async with playing(policy=CALM, observers=[clerk]) as play:
        play.wire.says(update("one"))
        await asyncio.sleep(1.0)
        play.wire.ends(Dropped(1011, "lost one"))
        await asyncio.sleep(1.0)
    assert clerk.details_of("lost") == ["1011: lost …"]
    assert clerk.told.index("lost") < clerk.told.index("RESUMING")


@simulated
async def test_a_connection_that_is_lost_while_the_last_frames_go_out_is_no_news() -> None:
    clerk = Clerk()
    play = staged(policy=CALM, observers=[clerk])
    await play.runtime.start()
    play.wire.writable = False
    play.wire.hung.add("send")
    for _ in range(2):
        await play.channel.send('{"realtime_input": {"text": "late"}}')
    closing = asyncio.create_task(play.runtime.close())
    await moment()
    play.wire.ends()
    await closing
    assert play.state == "CLOSED"
    assert clerk.details_of("lost") == []


@simulated
async def test_a_failure_is_told_with_its_cause_before_the_session_is_failed() -> None:
    clerk = Clerk()
    exchange = Exchange()
    exchange.refusals.append(Dropped(1007, "API key not valid.", "opening"))
    play = staged(policy=CALM, exchange=exchange, observers=[clerk])
    with pytest.raises(SessionFailed):
        await play.runtime.start()
    await play.runtime.close()
    assert clerk.details_of("failed") == ["fatal: 1007: API key not valid."]
    assert clerk.told == ["CONNECTING", "counted", "dialled", "failed", "FAILED", "counted", "counted"]


@simulated
async def test_a_failure_that_no_connection_is_to_blame_for_is_its_cause_alone() -> None:
    async def refuse(_reason: str, _transcript: object) -> None:
        return None

    clerk = Clerk()
    store: Any = Witness()  # has none of a store's methods
    play = staged(policy=CALM, observers=[clerk], store=store, key="ada", seed=refuse)
    with pytest.raises(SessionFailed):
        await play.runtime.start()
    await play.runtime.close()
    assert clerk.details_of("failed") == ["seed_refused"]


@simulated
async def test_a_meter_is_told_the_counts_after_each_transition_and_each_save_and_at_the_end() -> None:
    clerk = Clerk()
    assert isinstance(clerk, Meter)
    async with playing(policy=CALM, observers=[clerk]) as play:
        await moment()
        play.runtime.notice("saved", "", 0.25)
        play.runtime.notice("something", "else")
        await moment()
    assert clerk.told == [
        "CONNECTING", "counted", "dialled", "ACTIVE", "counted", "saved", "counted", "something", "CLOSED", "counted",
        "counted",
    ]  # fmt: skip
    assert (clerk.counts[0].connections, clerk.counts[-1].connections) == (0, 1)


@simulated
async def test_a_meter_that_ticks_is_told_the_counts_also_while_nothing_happens_and_no_other_is() -> None:
    class Ticker(Clerk):
        every = 2.0

    ticker, clerk = Ticker(), Clerk()
    assert isinstance(ticker, Ticking)
    async with playing(policy=CALM, observers=[clerk, ticker]):
        await asyncio.sleep(9.0)
        assert ticker.told == ["CONNECTING", "counted", "dialled", "ACTIVE", *["counted"] * 5]
    assert clerk.told == ["CONNECTING", "counted", "dialled", "ACTIVE", "counted", "CLOSED", "counted", "counted"]


@simulated
async def test_a_meter_that_raises_and_one_that_misses_news_harm_nobody(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Clerk):
        def counted(self, stats: Stats) -> None:
            raise asyncio.CancelledError if self.steps[-1].dest == "ACTIVE" else ValueError("no")

    broken, clerk = Broken(), Clerk()
    async with playing(policy=CALM, observers=[broken, clerk]) as play:
        await moment()
        for number in range(2000):
            play.runtime.notice("something", str(number))
    assert clerk.counts[-1].observer_overflows > 0
    assert broken.details == clerk.details
    assert sum("an observer raised" in record.message for record in caplog.records) == len(clerk.counts)


@simulated
async def test_the_log_is_written_once_by_the_runtime_or_by_an_observer_of_ones_own(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="relive")
    for observers, whose in (([], None), ([LogObserver(conversation="ada")], "ada")):
        caplog.clear()
        async with playing(policy=CALM, observers=observers):
            await moment()
        lines = [
            (record.getMessage().partition(" (")[0], vars(record)["relive_conversation"]) for record in caplog.records
        ]
        assert lines == [
            ("IDLE → CONNECTING on ConnectRequested", whose),
            ("dialled: 0.000 s", whose),
            ("CONNECTING → ACTIVE on ConnectionOpened", whose),
            ("ACTIVE → CLOSED on CloseRequested", whose),
        ]
