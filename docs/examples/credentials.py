"""A client of its own for every connection, with a token that has just been made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from google.genai import Client


def renewed(fetch_token: Callable[[], Awaitable[str]], **options: Any) -> Callable[[], Awaitable[Client]]:
    """What `relive.connect` takes in place of a client.

    Args:
        fetch_token: asks your own server for an ephemeral token, or wherever tokens come from.
        options: what else the client is to be given.
    """

    async def make_client() -> Client:
        return Client(api_key=await fetch_token(), **options)

    return make_client
