"""Small plans, and how a history of one is forged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from relive.testing.simulation.history import History, Record
from relive.testing.simulation.plan import AudioSchedule, Client, Conversation, Fault, Plan, Service, Step, Turn

TYPED = (Turn(answer=4.0),)
TOOLS = (Turn(answer=2.0, tools=2, tool_time=2.0, pause=4.0),)


def plan(
    *faults: tuple[float, Fault],
    turns: tuple[Turn, ...] = TYPED,
    client: Client | None = None,
    service: Service | None = None,
) -> Plan:
    steps = tuple(Step(fault=fault, at=at) for at, fault in faults)
    return Plan(
        seconds=60.0,
        calm=20.0,
        talk=Conversation(turns=turns, audio=AudioSchedule(rate=2.0)),
        service=service or Service(connection=None),
        client=client or Client(),
        steps=steps,
    )


def edit(history: History, wanted: Callable[[Record], bool], change: Callable[[Record], Record | None]) -> None:
    """Change the first record that is wanted; None removes it."""
    for place, record in enumerate(history.records):
        if wanted(record):
            changed = change(record)
            history.records[place : place + 1] = [changed] if changed is not None else []
            return
    raise LookupError("there is no such record")


def is_(kind: str, what: str | None = None, **data: Any) -> Callable[[Record], bool]:
    """Match records by kind, what, and the places of their data: ``d1="ACTIVE"``."""
    places = {int(name[1:]): value for name, value in data.items()}
    return lambda record: (
        record.kind == kind
        and (what is None or record.what == what)
        and all(record.data[place] == value for place, value in places.items())
    )


def put(**changes: Any) -> Callable[[Record], Record]:
    """Replace fields, or places of the data: ``d1="ACTIVE"``."""

    def change(record: Record) -> Record:
        data = list(record.data) if isinstance(record.data, list) else record.data
        for name, value in changes.items():
            if name[0] == "d" and name[1:].isdigit():
                data[int(name[1:])] = value
        fields = {name: value for name, value in changes.items() if name in Record._fields}
        return record._replace(**{"data": data, **fields})

    return change


def gone(_: Record) -> None:
    """Remove it."""


def stats(**changes: Any) -> Callable[[History], object]:
    def forge(history: History) -> None:
        life = history.clients[0].lives[-1]
        life.stats = attrs.evolve(life.stats, **changes)

    return forge


def life(**changes: Any) -> Callable[[History], object]:
    def forge(history: History) -> None:
        for name, value in changes.items():
            setattr(history.clients[0].lives[-1], name, value)

    return forge


def record(wanted: Callable[[Record], bool], change: Callable[[Record], Record | None]) -> Callable[[History], object]:
    return lambda history: edit(history, wanted, change)


def later(seconds: float) -> Callable[[Record], Record]:
    return lambda found: found._replace(at=found.at + seconds)


def insert_before(history: History, wanted: Callable[[Record], bool], new: Callable[[Record], Record]) -> None:
    place = next(place for place, found in enumerate(history.records) if wanted(found))
    history.records.insert(place, new(history.records[place]))
