"""The page while sessions run: for whoever has its address on this machine, and for nobody else."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import attrs
import pytest
from playwright.sync_api import Browser, expect
from tests.timeline.traces import HOSTILE

from relive.core.effects import Transition, Verdict
from relive.diagrams.timeline import live as serving
from relive.diagrams.timeline.live import LiveTimeline
from relive.ports import Notice

pytestmark = pytest.mark.sockets


@attrs.frozen
class Answer:
    status: int
    fields: dict[str, str]
    body: str


def step(at: float, source: str, dest: str, event: str = "E", verdict: Verdict | None = None) -> Transition:
    return Transition(source, dest, event, at, 1, verdict)


def place(live: LiveTimeline) -> tuple[str, int, str]:
    """Host, port and path of the page."""
    host, _, path = live.url.removeprefix("http://").partition("/")
    return host, int(host.rpartition(":")[2]), f"/{path}"


@asynccontextmanager
async def asked(live: LiveTimeline, path: str | None = None, method: str = "GET", **fields: str) -> AsyncIterator[Any]:
    """A connection on which that was asked."""
    host, port, ours = place(live)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        head = {"Host": host, **{name.replace("_", "-"): value for name, value in fields.items()}}
        said = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        writer.write(f"{method} {ours if path is None else path} HTTP/1.1\r\n{said}\r\n".encode())
        yield reader
    finally:
        writer.close()
        await writer.wait_closed()


async def ask(live: LiveTimeline, path: str | None = None, method: str = "GET", **fields: str) -> Answer:
    async with asyncio.timeout(10.0), asked(live, path, method, **fields) as reader:
        head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    status, *lines = head.split("\r\n")
    return Answer(int(status.split()[1]), dict(line.split(": ", 1) for line in lines), body)


async def events(reader: Any, count: int) -> list[tuple[str, Any]]:
    """So many events of a stream, by id or by name."""
    found: list[tuple[str, Any]] = []
    while len(found) < count:
        part = (await asyncio.wait_for(reader.readuntil(b"\n\n"), 10.0)).decode()
        if part.startswith(("id", "event")):
            name, data = part.strip().split("\ndata: ")
            found.append((name.partition(": ")[2], json.loads(data)))
    return found


async def stream(reader: Any) -> None:
    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10.0)


async def test_the_page_is_there_and_may_speak_to_its_server_alone() -> None:
    async with LiveTimeline() as live:
        answer = await ask(live)
    assert answer.status == 200
    assert answer.body.startswith("<!doctype html>")
    assert "default-src 'none'" in answer.body
    assert "; connect-src 'self'" in answer.body
    assert answer.fields["Cache-Control"] == "no-store"
    assert int(answer.fields["Content-Length"]) == len(answer.body.encode())
    assert live.url.startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Origin": "OURS", "Sec_Fetch_Site": "same-origin"}, 200),
        ({"Sec_Fetch_Site": "none"}, 200),
        ({"method": "POST"}, 405),
        ({"path": "/"}, 404),
        ({"path": "/favicon.ico"}, 404),
        ({"path": "/wrong/"}, 404),
        ({"path": "/wrong/events"}, 404),
        ({"path": "TOKEN"}, 308),
        ({"path": "TOKEN/secrets"}, 404),
        ({"path": "TOKEN/../events"}, 404),
        ({"path": "x" * 9000}, 404),
    ],
)
async def test_who_does_not_have_the_address_or_comes_from_elsewhere_sees_nothing(
    fields: dict[str, str], status: int
) -> None:
    async with LiveTimeline() as live:
        host, _, path = place(live)
        given = {
            name: value.replace("OURS", f"http://{host}").replace("TOKEN", path[:-1]) for name, value in fields.items()
        }
        answer = await ask(live, **given)
    assert answer.status == status
    assert (path in answer.body) is False
    assert answer.fields.get("Location") == (path if status == 308 else None)
    assert ("<script" in answer.body) is (status == 200)


async def test_what_is_no_request_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_PATIENCE", 0.2)
    async with LiveTimeline() as live:
        for said in (b"", b"\x00\xff" * 100, b"GET", b"x" * 40_000, b"\r\n\r\n", b"GET /\xff HTTP/1.1\r\n\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", place(live)[1])
            writer.write(said)
            await asyncio.wait_for(reader.read(), 10.0)
            writer.close()
        assert (await ask(live)).status == 200


async def test_what_happened_before_is_told_and_then_what_happens() -> None:
    async with LiveTimeline() as live:
        observer = live.observer(conversation="ada")
        observer.transition(step(100.0, "IDLE", "CONNECTING"))
        async with asked(live, f"{place(live)[2]}events") as reader:
            await stream(reader)
            first, second, (name, _) = await events(reader, 3)
            assert [first[0], first[1]["what"], second[0], second[1]["what"]] == ["1", "ada", "2", "IDLE → CONNECTING"]
            assert name == "now"
            observer.notice(Notice("lost", "1011", 101.5, 1))
            later = await events(reader, 4)
            assert ("3", "lost", 1.5) in [(one, said["what"], said["t"]) for one, said in later if one.isdigit()]
        async with asked(live, f"{place(live)[2]}events", Last_Event_ID="2") as reader:
            await stream(reader)
            assert (await events(reader, 1))[0][0] == "3", "who was there before is told the rest"


async def test_a_page_that_is_opened_late_is_told_no_more_than_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "KEPT", 10)
    async with LiveTimeline() as live:
        observer = live.observer()
        for at in range(50):
            observer.notice(Notice("x", str(at), float(at), 1))
        async with asked(live, f"{place(live)[2]}events", Last_Event_ID="nonsense") as reader:
            await stream(reader)
            assert [one for one, _ in await events(reader, 10)] == [str(number) for number in range(42, 52)]


async def test_not_more_pages_than_can_be_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "LISTENERS", 1)
    async with LiveTimeline() as live, asked(live, f"{place(live)[2]}events") as reader:
        await stream(reader)
        assert (await ask(live, f"{place(live)[2]}events")).status == 503


async def test_closing_ends_every_stream_at_once() -> None:
    live = LiveTimeline()
    await live.__aenter__()
    live.observer().transition(step(1.0, "ACTIVE", "CLOSED"))
    async with asked(live, f"{place(live)[2]}events") as reader:
        await stream(reader)
        await events(reader, 2)
        began = asyncio.get_running_loop().time()
        await live.__aexit__(None, None, None)
        assert asyncio.get_running_loop().time() - began < 2.0
        rest = await asyncio.wait_for(reader.read(), 10.0)
    assert rest.decode().endswith("event: end\ndata: 0.0\n\n")
    assert not live._listeners


Do = Callable[[Callable[[], Any]], Any]


@contextmanager
def served(live: list[LiveTimeline]) -> Iterator[Do]:
    """A live timeline in a thread of its own, and something that does things there."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def wait(what: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(what, loop).result(10.0)

    async def do(what: Callable[[], Any]) -> Any:
        return what()

    async def begin() -> LiveTimeline:
        return await LiveTimeline(HOSTILE[0]).__aenter__()

    live.append(wait(begin()))
    try:
        yield lambda what: wait(do(what))
    finally:
        wait(live[0].__aexit__(None, None, None))
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10.0)
        loop.close()


@pytest.mark.slow
def test_the_page_shows_what_happens_as_it_happens(browser: Browser) -> None:
    found: list[LiveTimeline] = []
    trouble: list[str] = []
    with served(found) as do:
        (live,) = found
        page = browser.new_page()
        page.on("console", lambda message: trouble.append(message.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.goto(live.url)
        expect(page.locator("#live")).to_have_text("live")
        observer = do(lambda: live.observer(conversation="ada"))
        zero = do(lambda: asyncio.get_running_loop().time())
        do(lambda: observer.transition(step(zero, "IDLE", "CONNECTING")))
        expect(page.locator("#machine .lit[data-state]")).to_have_attribute("data-state", "CONNECTING")
        expect(page.locator("#who")).to_have_text(" · ada")
        do(lambda: observer.transition(step(zero + 0.1, "CONNECTING", "ACTIVE", "ConnectionOpened", Verdict("fresh"))))
        do(lambda: observer.notice(Notice("malformed_frame", HOSTILE[1], zero + 0.2, 1)))
        expect(page.locator("#machine .lit[data-state]")).to_have_attribute("data-state", "ACTIVE")
        expect(page.locator("#list")).to_contain_text(HOSTILE[1])
        page.locator("#plot").focus()
        page.keyboard.press("Home")
        do(lambda: observer.transition(step(zero + 0.3, "ACTIVE", "CLOSED", "CloseRequested")))
        expect(page.locator("#list")).to_contain_text("CloseRequested")
        assert page.locator("#plot").get_attribute("aria-valuenow") == "0", "who looks at the past is left there"
        page.keyboard.press("End")
        expect(page.locator("#machine .lit[data-state]")).to_have_attribute("data-state", "CLOSED")
        late = browser.new_page()
        late.goto(live.url)
        expect(late.locator("#list")).to_contain_text("CloseRequested")
        late.close()
    expect(page.locator("#live")).to_have_text("ended")
    page.close()
    assert trouble == []
