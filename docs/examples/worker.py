"""A worker that owns a conversation until it is told to stop: then it leaves it at a safe point, for the next worker.

    python worker.py STORE NAME

The client finds its server in the environment: the service, or what `relive serve` prints.
"""

import asyncio
import signal
import sys
from contextlib import suppress

from google import genai
from google.genai import types

import relive
from relive import stores

MODEL = "gemini-3.1-flash-live-preview"
POLICY = relive.Policy(lease_ttl=10.0, lease_wait=30.0)


async def work(url: str, name: str) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    client, store = genai.Client(), stores.open(url)
    mine = relive.connect(client, model=MODEL, policy=POLICY, key="ada", store=store, owner=name)
    async with mine as session, asyncio.TaskGroup() as group:
        print(f"{name}: {session.verdict}", flush=True)
        group.create_task(talk(session, name, stopped))
        await stopped.wait()
        left = await session.hand_over(within=20.0)
    print(f"{name}: {left.reliable} frames left behind, handle saved: {left.saved}", flush=True)
    await store.aclose()


async def talk(session: relive.Session, name: str, stopped: asyncio.Event) -> None:
    """Ask, and listen, and take no new turn once the worker is to stop."""
    with suppress(relive.SessionClosed):  # in a turn for which there was no time
        while not stopped.is_set():
            turn = types.Content(role="user", parts=[types.Part(text="And then?")])
            await session.send_client_content(turns=turn)
            said = "".join([message.text async for message in session.receive() if message.text])
            print(f"{name}: {said}", flush=True)


if __name__ == "__main__":
    asyncio.run(work(*sys.argv[1:]))
