"""Every checkpoint comes back as it was; what is none is refused, and never quoted."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, strategies as st
from tests.stores.lives import chain

from relive.core.checkpoint import Checkpoint
from relive.errors import StoreUnreadable
from relive.stores.record import Record, decode_checkpoint, decode_record, encode_checkpoint, encode_record

GOOD = encode_checkpoint(Checkpoint("CANARY", wall=1.0))
texts = st.text()
checkpoints = st.builds(
    Checkpoint, texts, texts, texts, st.floats(allow_nan=False, allow_infinity=False), st.frozensets(texts, max_size=3)
)
records = st.builds(
    Record,
    checkpoint=st.none() | checkpoints,
    generation=st.tuples(st.integers(), st.integers()),
    expires=st.floats(0, 1e12),
    condemned=st.dictionaries(texts, st.floats(0, 1e12), max_size=3),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
)


@given(checkpoints)
def test_a_checkpoint_comes_back(checkpoint: Checkpoint) -> None:
    assert decode_checkpoint(encode_checkpoint(checkpoint), "here") == checkpoint


@given(records)
def test_a_record_comes_back(record: Record) -> None:
    assert decode_record(encode_record(record).encode(), "here") == record


@given(st.text() | st.binary())
def test_what_is_no_json_is_unreadable(text: str | bytes) -> None:
    for decode in (decode_checkpoint, decode_record):
        with pytest.raises(StoreUnreadable):
            decode(text, "here")


@given(records.filter(lambda record: record.checkpoint is not None), st.data())
def test_a_field_of_another_type_is_unreadable_or_the_same(record: Record, data: st.DataObject) -> None:
    content: dict[str, Any] = json.loads(encode_record(record))
    place = data.draw(st.sampled_from([content, content["checkpoint"]]))
    name = data.draw(st.sampled_from(sorted(place)))
    place[name] = data.draw(json_values)
    try:
        decoded = decode_record(json.dumps(content), "here")
    except StoreUnreadable:
        return
    assert decode_record(encode_record(decoded), "here") == decoded


@pytest.mark.parametrize(
    "text",
    ['{"CANARY', '["CANARY"]', '"CANARY"', '{"handle": "CANARY"}', '{"v": 1, "handle": "CANARY"}',
     GOOD.replace("CANARY", r"CANARY\ud800"), GOOD.replace("1.0", "1" * 400), GOOD.encode().replace(b"Y", b"\xff")],
)  # fmt: skip
def test_it_is_not_quoted(text: str | bytes) -> None:
    with pytest.raises(StoreUnreadable) as caught:
        decode_checkpoint(text, "here")
    assert not [said for said in chain(caught.value) if "CANAR" in said]
    assert str(caught.value) == "here: what is there was not written by relive, or is broken"


def test_a_later_version_is_told() -> None:
    with pytest.raises(StoreUnreadable, match="version 2, and this relive reads version 1"):
        decode_checkpoint('{"v": 2}', "here")


def test_what_json_cannot_say_is_refused_when_it_is_written() -> None:
    with pytest.raises(ValueError, match="JSON"):
        encode_checkpoint(Checkpoint("CANARY", wall=math.nan))


def test_the_repr_of_a_record_tells_no_handle() -> None:
    assert "CANARY" not in repr(Record(Checkpoint("CANARY")))
