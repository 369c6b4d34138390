"""A thousand sessions in one process: what they weigh and what they cost, with relive and without, side by side.

Each side is a process of its own, so that neither inherits the other's memory; both talk to a server of the same kind
over TLS. The weight is what the kernel says that the process holds, so OpenSSL's part of it is in. Then all are left
alone for a while, and then each of them is sent a frame of audio a second (a fleet that is spoken to at full rate is
more than one core can do, also without relive).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from google.genai import types
from google.genai.live import AsyncSession
from tests.bench.figures import Figure
from tests.bench.firehose import firehose
from tests.bench.flow import MODEL

import relive

ARMS: Final = ("bare", "relive")
_AT_A_TIME: Final = 16
_AUDIO: Final = types.Blob(data=bytes(640), mime_type="audio/pcm;rate=16000")
"20 milliseconds."


def fleet(count: int, seconds: float) -> list[Figure]:
    """So many sessions, left alone for so long, and spoken to for so long."""
    bare, ours = (_arm(arm, count, seconds) for arm in ARMS)

    def figure(name: str, what: str, unit: str) -> Figure:
        detail = f"{bare[what]:.1f} → {ours[what]:.1f} {unit}, {count} sessions at once"
        return Figure(name, ours[what] - bare[what], 0.0, unit, None, detail)

    return [
        figure("memory of one session of many", "kib", "KiB"),
        figure("many sessions that rest", "rest", "% of a core"),
        figure("many sessions, a frame a second each", "talk", "% of a core"),
    ]


def _arm(arm: str, count: int, seconds: float) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.fleet", arm, str(count), str(seconds)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


async def _measure(arm: str, count: int, seconds: float) -> dict[str, float]:
    async with firehose() as client, contextlib.AsyncExitStack() as stack:

        def one() -> Any:
            return client.aio.live.connect(model=MODEL) if arm == "bare" else relive.connect(client, model=MODEL)

        turn = asyncio.Semaphore(_AT_A_TIME)

        async def enter() -> AsyncSession:
            async with turn:
                return await stack.enter_async_context(one())

        await enter()  # whatever is made once is made now
        gc.collect()
        before = _held()
        sessions = await asyncio.gather(*(enter() for _ in range(count)))
        await asyncio.sleep(1.0)  # the first pings are answered
        gc.collect()
        kib = (_held() - before) / count / 1024
        rest = await _cost(asyncio.sleep(seconds), seconds)
        talk = await _cost(_talk(sessions, seconds), seconds)
        return {"kib": kib, "rest": rest, "talk": talk}


async def _cost(work: Any, seconds: float) -> float:
    """Percent of a core that this process takes meanwhile."""
    began, used = time.perf_counter(), time.process_time()
    await work
    used, took = time.process_time() - used, time.perf_counter() - began
    if took > 1.2 * seconds:
        print(f"the machine is too slow for this: {took:.1f} s instead of {seconds:.1f}", file=sys.stderr)
    return 100.0 * used / took


async def _talk(sessions: list[AsyncSession], seconds: float) -> None:
    """A frame for each of them in each second, spread evenly over it."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    total = round(len(sessions) * seconds)
    for number in range(total):
        due = began + number / len(sessions)
        if due > loop.time():
            await asyncio.sleep(due - loop.time())
        await sessions[number % len(sessions)].send_realtime_input(audio=_AUDIO)


def _held() -> int:
    """Bytes of memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """One side, as JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.fleet")
    parser.add_argument("arm", choices=ARMS)
    parser.add_argument("count", type=int)
    parser.add_argument("seconds", type=float)
    options = parser.parse_args()
    print(json.dumps(asyncio.run(_measure(options.arm, options.count, options.seconds))))


if __name__ == "__main__":
    main()
