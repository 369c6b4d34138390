"""A demo: a conversation over the real SDK client, with our own server or with the service, and the report of it."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncGenerator, Sequence
from enum import StrEnum
from typing import Any, Final

import attrs
import websockets
from google import genai
from google.genai import types

import relive
from relive.cli import account
from relive.cli.conversation import Conversation, Stuck
from relive.cli.lab import Lab
from relive.cli.plan import Plan
from relive.cli.report import Report
from relive.cli.screen import Screen
from relive.testing.hosts import TlsHost


class Backend(StrEnum):
    """Which of the two services the demo's server is."""

    VERTEX = "vertex"
    DEVELOPER = "developer"


POLICY: Final = relive.Policy(stable_after=0.0, retry_base=0.3)
"Every connection counts as stable at once, so that time has no say in what happens next."

_LIMIT: Final = 28.0
"Seconds that a demo on our own server may take."


@attrs.define
class _Chronicle:
    """An observer that keeps what it is told, and shows it."""

    screen: Screen
    steps: list[relive.Transition] = attrs.field(factory=list[relive.Transition])

    def transition(self, transition: relive.Transition) -> None:
        self.steps.append(transition)
        self.screen.transition(transition)

    def notice(self, notice: relive.Notice) -> None:
        self.screen.notice(notice)


async def run_demo(
    plan: Plan, *, backend: Backend, model: str, screen: Screen, observers: Sequence[relive.Observer] = ()
) -> Report:
    """Hold the conversation with our own server, let everything go wrong that is planned, and settle the account."""
    began = asyncio.get_running_loop().time()
    chronicle = _Chronicle(screen)
    lab = Lab(plan.seed, screen.struck)
    talk: Conversation | None = None
    stats: relive.Stats | None = None
    problem = ""
    async with TlsHost(lab) as host, _client(host, backend) as client:
        try:
            async with (
                asyncio.timeout(_LIMIT),
                relive.connect(
                    client, model=model, config=_CONFIG, policy=POLICY, observers=[chronicle, *observers]
                ) as session,
            ):
                talk = Conversation(session, plan, screen, lab, host)
                lab.changed = talk.ring
                try:
                    await talk.hold()
                finally:
                    stats = session.stats
        except TimeoutError:
            problem = f"the conversation took longer than {_LIMIT:.0f} s"
        except (Stuck, relive.ReliveError) as exc:
            problem = str(exc)
    if not problem and all(step.dest != "HANDLE_EXPIRED" for step in chronicle.steps):
        problem = "the handle expired, and nobody noticed"
    seconds = asyncio.get_running_loop().time() - began
    settled = _settle(lab, talk, plan) if talk is not None else None
    return Report(plan, backend, False, tuple(chronicle.steps), stats, settled, seconds, problem)


async def run_live(
    plan: Plan, *, key: str, model: str, screen: Screen, observers: Sequence[relive.Observer] = ()
) -> Report:
    """Hold the same conversation with the service: nothing is made to go wrong, and no truth can be looked up."""
    began = asyncio.get_running_loop().time()
    chronicle = _Chronicle(screen)
    stats: relive.Stats | None = None
    problem = ""
    config = _CONFIG.model_copy(
        update={
            "realtime_input_config": types.RealtimeInputConfig(
                automatic_activity_detection=types.AutomaticActivityDetection(disabled=True)
            )
        }
    )
    async with contextlib.AsyncExitStack() as stack:
        client = genai.Client(vertexai=False, api_key=key)
        stack.push_async_callback(client.aio.aclose)
        try:
            session = await stack.enter_async_context(
                relive.connect(client, model=model, config=config, observers=[chronicle, *observers])
            )
            try:
                await Conversation(session, plan, screen).hold()
            finally:
                stats = session.stats
        except (Stuck, relive.ReliveError) as exc:
            problem = str(exc)
    seconds = asyncio.get_running_loop().time() - began
    return Report(plan, Backend.DEVELOPER, True, tuple(chronicle.steps), stats, None, seconds, problem)


_CONFIG: Final = types.LiveConnectConfig(response_modalities=[types.Modality.AUDIO])


@contextlib.asynccontextmanager
async def _client(host: TlsHost, backend: Backend) -> AsyncGenerator[genai.Client]:
    """The SDK's client, for this host and nothing else."""
    connect: dict[str, Any] = {"ssl": host.ssl_client_context()}
    if "proxy" in inspect.signature(websockets.connect).parameters:
        connect["proxy"] = None  # the way to ourselves leads over no proxy, whatever the environment says
    options = types.HttpOptions(base_url=host.base_url, async_client_args=connect)
    client = genai.Client(vertexai=backend is Backend.VERTEX, api_key="demo", http_options=options)
    try:
        yield client
    finally:
        await client.aio.aclose()


def _settle(lab: Lab, talk: Conversation, plan: Plan) -> account.Account:
    """Compare what the application sent and heard with what the server consumed and said."""
    covered = dict.fromkeys(lab.sessions, 0)
    for handle in talk.handles:
        snapshot = lab.snapshot(handle)
        if snapshot is not None:
            covered[snapshot.session] = snapshot.length
    lines = account.timelines(covered.items())
    return account.settle(talk.sent, lines, talk.heard, account.answers(lab.sessions), len(plan.turns))
