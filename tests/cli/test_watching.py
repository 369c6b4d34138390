"""`relive demo --watch`: the page is there while the conversation is held, and until somebody interrupts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from tests.timeline.test_live import ask
from typer.testing import CliRunner

import relive
from relive.cli import app as command, watching
from relive.cli.watching import watched
from relive.diagrams.timeline.live import LiveTimeline


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[LiveTimeline]:
    found: list[LiveTimeline] = []

    def make(*words: Any) -> LiveTimeline:
        found.append(LiveTimeline(*words))
        return found[-1]

    monkeypatch.setattr(watching, "LiveTimeline", make)
    return found


@pytest.mark.sockets
async def test_the_page_is_there_during_the_conversation_and_after_it_until_an_interrupt(
    made: list[LiveTimeline],
) -> None:
    said: list[str] = []
    over = asyncio.Event()

    async def hold(*, observers: Sequence[relive.Observer] = ()) -> Any:
        (observer,) = observers
        assert isinstance(observer, relive.Observer)
        assert (await ask(made[0])).status == 200
        over.set()
        return "a report"

    watching_it = asyncio.create_task(watched(hold, said.append))
    await over.wait()
    assert said[0] == f"Look at {made[0].url}"
    assert (await ask(made[0])).status == 200
    assert len(said) == 2
    watching_it.cancel()
    assert await watching_it == "a report", "an interrupt after its end is no failure"
    with pytest.raises(OSError, match="onnect"):
        await ask(made[0])


def test_the_demo_can_be_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[dict[str, Any]] = []

    async def watch(hold: Any, say: Any) -> Any:
        held.append(hold.keywords)
        say("here")
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "watched", watch)
    done = CliRunner().invoke(command.app, ["demo", "--watch", "--json"])
    assert done.exit_code == 130
    assert held[0]["model"] == command.MODEL
    assert (done.stdout, done.stderr) == ("", "here\ninterrupted\n"), "what is said to people is not in the JSON"
