"""A process that is killed in mid-conversation: the next one goes on with it, over the real SDK and TLS."""

from __future__ import annotations

import random
import signal
from pathlib import Path
from typing import Final

import pytest
from tests.cli.processes import start
from tests.cli.test_serve import serving
from tests.stores.servers import RedisServer

pytestmark = [pytest.mark.slow, pytest.mark.sockets]

ROUNDS: Final = 10
TALK: Final = """
import asyncio, hashlib, sys
from google import genai
import relive
from relive import stores

def say(*words):
    print(*words, flush=True)

class Telling:
    # A store that says what is asked of it, and when that is done.
    def __init__(self, inner):
        self.inner = inner
    def __getattr__(self, name):
        return getattr(self.inner, name)
    async def load(self, key):
        found = await self.inner.load(key)
        say("loaded", name(found.checkpoint.handle) if found and found.checkpoint else "nothing")
        return found
    async def save(self, key, checkpoint, **how):
        say("saving", name(checkpoint.handle))
        kept = await self.inner.save(key, checkpoint, **how)
        say("saved" if kept else "refused", name(checkpoint.handle))
        return kept

def name(handle):
    return hashlib.sha256(handle.encode()).hexdigest()[:12]

async def main():
    store = Telling(stores.open(sys.argv[1]))
    async with relive.connect(genai.Client(), model="gemini-live", key="ada", store=store) as session:
        say("up", session.verdict)
        while True:
            await session.send_client_content(turns={"role": "user", "parts": [{"text": "and then?"}]})
            say("heard", "".join([message.text or "" async for message in session.receive()]))

asyncio.run(main())
"""


def live_and_die(url: str, env: dict[str, str], saves: int) -> list[list[str]]:
    """Let a process talk until so many handles were saved, and kill it; returns what it said."""
    said: list[list[str]] = []
    with start("-c", TALK, url, env=env) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            said.append(line.split(" ", 1))
            saves -= line.startswith("saved")
            if saves <= 0 and process.poll() is None:
                process.send_signal(signal.SIGKILL)
        err = process.stderr.read()
    assert process.returncode == -signal.SIGKILL, err
    return [[what, rest.strip()] for what, rest in said]


def check(url: str) -> None:
    chance = random.Random(7)
    with serving("--turn-chunks", "2", "--turn-interval", "0.01") as (_, about):
        acknowledged, begun = "nothing", "nothing"
        for number in range(ROUNDS):
            said = live_and_die(url, about["env"], chance.randrange(1, 6))
            (loaded,) = [rest for what, rest in said if what == "loaded"]
            assert loaded in (acknowledged, begun), f"round {number}: {loaded} is not the newest"
            (verdict,) = [rest for what, rest in said if what == "up"]
            assert verdict.startswith("resumed") if number else verdict == "fresh"
            assert "refused" not in [what for what, _ in said]
            acknowledged = [rest for what, rest in said if what == "saved"][-1]
            begun = [rest for what, rest in said if what == "saving"][-1]


def test_with_a_file(tmp_path: Path) -> None:
    check(f"sqlite:///{tmp_path}/handles.db")


def test_with_redis(redis_server: RedisServer) -> None:
    check(redis_server.url)
