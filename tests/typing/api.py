# pyright: strict, reportUnknownMemberType=false
"""The public names as a caller writes them: type-checked in `test_typing.py`, never run.

Not checked: unknown member types. The SDK types `send_realtime_input(media=…)` by an imaging library that it does not
require, so that method is "partially unknown" to whoever has not installed it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import assert_type

from google import genai
from google.genai import live, types

import relive


async def the_shortest_call(client: genai.Client) -> None:
    async with relive.connect(client, model="some-model") as session:
        assert_type(session, relive.Session)


async def every_argument(client: genai.Client, store: relive.HandleStore) -> None:
    manager = relive.connect(
        client,
        model="some-model",
        config=types.LiveConnectConfig(response_modalities=[types.Modality.AUDIO]),
        policy=relive.Policy(),
        key="caller-7",
        store=store,
    )
    with_a_dict = relive.connect(client, model="some-model", config={"temperature": 0.5}, policy=None, key=None)
    entered: AbstractAsyncContextManager[relive.Session] = manager
    async with entered as first, with_a_dict as second:
        assert_type(first, relive.Session)
        assert_type(second, relive.Session)


async def what_is_the_sdks(session: relive.Session) -> None:
    sdk_session: live.AsyncSession = session
    await sdk_session.send_realtime_input(text="hello")
    await session.send_client_content(turns=types.Content(role="user", parts=[types.Part(text="hello")]))
    await session.send_tool_response(function_responses=types.FunctionResponse(id="1", name="f", response={}))
    async for message in session.receive():
        assert_type(message, types.LiveServerMessage)
    await session.close()


async def what_is_ours(session: relive.Session) -> None:
    assert_type(session.state, relive.State)
    assert_type(session.verdict, relive.Verdict | None)
    assert_type(session.stats, relive.Stats)
    changes: AsyncIterator[relive.Transition] = session.changes()
    async for change in changes:
        assert_type(change, relive.Transition)
    await session.wait_for("ACTIVE")


async def what_is_wrong(client: genai.Client, session: relive.Session) -> None:
    _ = relive.no_such_name  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType]
    relive.connect(client)  # pyright: ignore[reportCallIssue]
    relive.connect(client, "some-model")  # pyright: ignore[reportCallIssue]
    relive.connect(client, model="some-model", key=7)  # pyright: ignore[reportArgumentType]
    relive.connect(client, model="some-model", policy={})  # pyright: ignore[reportArgumentType]
    session.state = "CLOSED"  # pyright: ignore[reportAttributeAccessIssue]
    await session.wait_for("NO_SUCH_STATE")  # pyright: ignore[reportArgumentType]


async def errors(client: genai.Client) -> None:
    try:
        async with relive.connect(client, model="some-model"):
            pass
    except relive.ReliveError as error:
        assert_type(error, relive.ReliveError)
