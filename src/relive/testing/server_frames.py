"""The frames that a fake server sends most often, put together without `json.dumps`: byte for byte what that makes."""

from __future__ import annotations

import binascii
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

_HEAD: Final = '{"serverContent": {"modelTurn": {"parts": ['
_TAIL: Final = '], "role": "model"}}}'
_SOUND_HEAD: Final = f'{_HEAD}{{"inlineData": {{"mimeType": "audio/pcm;rate=24000", "data": "'.encode()
_SOUND_TAIL: Final = f'"}}}}{_TAIL}'.encode()

GENERATED: Final = '{"serverContent": {"generationComplete": true}}'
INTERRUPTED: Final = '{"serverContent": {"interrupted": true}}'
EMPTY_UPDATE: Final = '{"sessionResumptionUpdate": {}}'
NOT_RESUMABLE: Final = '{"sessionResumptionUpdate": {"newHandle": "", "resumable": false}}'

_SHORT: Final = 1024
"Bytes of sound up to which a frame is kept: what is said in one simulated session is said in the next."


def update(handle: str, index: int | None) -> str:
    """Make the frame that gives a handle: one of ours, in which nothing needs an escape."""
    # An int64, so a string in JSON.
    told = "" if index is None else f', "lastConsumedClientMessageIndex": "{index}"'
    return f'{{"sessionResumptionUpdate": {{"newHandle": "{handle}", "resumable": true{told}}}}}'


def turn_complete(usage: Mapping[str, int]) -> str:
    """Make the frame that ends a turn, with its figures if there are any."""
    if not usage:
        return '{"serverContent": {"turnComplete": true}}'
    figures = ", ".join([f'"{name}": {count}' for name, count in usage.items()])
    return f'{{"serverContent": {{"turnComplete": true}}, "usageMetadata": {{{figures}}}}}'


def words(text: str) -> str:
    """Make the frame that carries one chunk of text."""
    return f'{_HEAD}{{"text": {json.dumps(text)}}}{_TAIL}'


def sound(audio: bytes) -> bytes:
    """Make the frame that carries one chunk of audio, as UTF-8."""
    return _kept_sound(audio) if len(audio) <= _SHORT else _make_sound(audio)


def _make_sound(audio: bytes) -> bytes:
    return b"%b%b%b" % (_SOUND_HEAD, binascii.b2a_base64(audio, newline=False), _SOUND_TAIL)


_kept_sound = lru_cache(maxsize=8192)(_make_sound)
