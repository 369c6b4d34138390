"""Who may come in: paths and keys on the upgrade, and the verdict over a setup. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal
from urllib.parse import parse_qs, urlsplit

import attrs

from relive.testing.server_desk import Desk
from relive.testing.server_record import HandleFault
from relive.testing.server_script import CLOSES, ServerScript
from relive.testing.server_truth import Snapshot
from relive.testing.server_wire import Setup


@attrs.frozen
class Refused:
    """The upgrade was answered with an HTTP status."""

    status: int
    "HTTP status."
    body: str
    "Text of the answer."


@attrs.frozen
class Door:
    """What an accepted path and its headers say."""

    backend: Literal["developer", "vertex"]
    "Which of the two services."
    version: str
    "API version, as in the path."
    constrained: bool
    "The door for ephemeral tokens."
    known_key: bool
    "The credentials are good."


@attrs.frozen
class Turned:
    """A setup is refused with a close."""

    close: tuple[int | None, str]
    "Code and reason; no code for a reset."
    fault: HandleFault = ""
    "What was wrong with the handle."
    after_setup: bool = False
    "The close comes right after `setupComplete`."


HANDLE_PREFIX: Final = "handle"
_HANDLE: Final = re.compile(rf"{HANDLE_PREFIX}-[0-9a-f]{{32}}")
_DEVELOPER: Final = re.compile(
    r"/+ws/google\.ai\.generativelanguage\.(v1|v1alpha|v1beta)\.GenerativeService\.BidiGenerateContent(Constrained)?"
)
_VERTEX: Final = re.compile(r"/+ws/google\.cloud\.aiplatform\.(v1|v1beta1)\.LlmBidiService/BidiGenerateContent")


def read_door(path: str, headers: Mapping[str, str], script: ServerScript) -> Door | Refused:
    """Judge an upgrade. The SDK's default base URL ends in a slash, so a path may begin with two."""
    url = urlsplit("/" + path.lstrip("/"))
    if found := _DEVELOPER.fullmatch(url.path):
        backend, version, constrained = "developer", found[1], found[2] is not None
    elif found := _VERTEX.fullmatch(url.path):
        backend, version, constrained = "vertex", found[1], False
    else:
        return Refused(404, "Not Found")
    known = script.keys is None or not script.keys.isdisjoint(
        _credentials(headers, parse_qs(url.query), constrained=constrained)
    )
    if not known and script.bad_key != "close":
        return Refused(script.bad_key, "API key not valid. Please pass a valid API key.")
    return Door(backend, version, constrained, known)


def judge_key(door: Door) -> Turned | None:
    """Refuse bad credentials the way the real service does: after the upgrade."""
    if door.known_key:
        return None
    bad_token = door.constrained or door.backend == "vertex"
    return Turned(CLOSES["bad_token" if bad_token else "bad_key"])


def judge_setup(desk: Desk, door: Door, setup: Setup, now: float) -> Turned | Snapshot | None:
    """Judge a setup: refused, resumed from a snapshot, or fresh (None)."""
    script = desk.script
    if script.models is not None and setup.model not in script.models:
        reason = (
            f"models/{setup.model} is not found for API version {door.version}, "
            "or is not supported for bidiGenerateContent."
        )
        return Turned((1008, reason))
    if setup.transparent and door.backend == "developer":
        return Turned(CLOSES["invalid_argument"])
    if not setup.handle:
        return None
    if setup.history:
        return Turned(CLOSES["invalid_argument"])
    if _HANDLE.fullmatch(setup.handle) is None:
        return Turned(CLOSES["invalid_handle"], "malformed")
    snapshot = desk.handles.get(setup.handle)
    if snapshot is None or snapshot.session.backend != door.backend:
        return Turned(script.closes.unknown_handle, "unknown")
    if setup.handle not in desk.snapshots or _is_dead(snapshot, script, now):
        return Turned(script.closes.unknown_handle, "expired")
    doom = desk.dooms.get(setup.handle)
    if doom is not None and doom.kind == "close_in_setup":
        return Turned(doom.close, "rejected")
    if snapshot.session.is_open and script.refuse_overlap:
        return Turned(script.closes.handle_in_use, "in_use")
    if snapshot.session.model != setup.model:
        return Turned(script.closes.other_model, "other_model", after_setup=True)
    return snapshot


def _is_dead(snapshot: Snapshot, script: ServerScript, now: float) -> bool:
    session, ttl = snapshot.session, script.limits.handle_ttl
    expired = ttl is not None and session.ended_at is not None and now - session.ended_at > ttl
    return expired or session.over


def _credentials(headers: Mapping[str, str], query: Mapping[str, list[str]], *, constrained: bool) -> set[str]:
    """Collect what was shown: the constrained door looks at its token only."""
    lower = {name.lower(): value for name, value in headers.items()}
    scheme, _, token = lower.get("authorization", "").partition(" ")
    tokens = {token} if scheme in {"Token", "Bearer"} else set[str]()
    if constrained:
        return tokens | set(query.get("access_token", []))
    return tokens | {lower.get("x-goog-api-key", "")} | set(query.get("key", []))
