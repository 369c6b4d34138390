"""docs/telemetry.md says what is: its tables are compared with what is told, its recipes are run."""

from __future__ import annotations

import asyncio
import logging
import re
from pathlib import Path
from typing import Any

import attrs
import pytest
from opentelemetry.metrics import Counter, Histogram, NoOpMeter, UpDownCounter
from tests.scenarios.test_states import QUICK, eventful
from tests.scenarios.world import simulated, world
from tests.telemetry import readings as told, test_logging, test_metrics

import relive
from relive.ports import Notice
from relive.telemetry import logging as log
from relive.telemetry.otel_metrics import Instruments
from relive.testing.server import FakeLiveServer
from relive.testing.server_script import ServerScript

TEXT = (Path(__file__).parents[2] / "docs" / "telemetry.md").read_text("utf-8")
PACKAGE = Path(relive.__file__).parent
KINDS = {Counter: "counter", UpDownCounter: "up-down", Histogram: "histogram"}


def table(head: str) -> dict[str, list[str]]:
    """The rows of the table whose first column is called this, by that column; backticks taken off."""
    lines = iter(TEXT.splitlines())
    next(line for line in lines if line.startswith(f"| {head} |"))
    next(lines)
    rows: dict[str, list[str]] = {}
    for line in lines:
        if not line.startswith("|"):
            break
        name, *rest = (cell.strip().replace("`", "") for cell in line.strip("|").split("|"))
        rows[name] = rest
    return rows


def recipe(name: str) -> str:
    """A block of code, by the mark above it."""
    found = re.search(rf"^<!-- recipe: {name} -->\n```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def play(name: str) -> dict[str, Any]:
    """Run a recipe; returns what it defines. Ports that it names are any that are free."""
    names: dict[str, Any] = {}
    exec(recipe(name).replace("9464", "0"), names)  # noqa: S102 - our own words
    return names


class Catalogue(NoOpMeter):
    """A meter that writes down what is made with it."""

    def __init__(self) -> None:
        super().__init__("catalogue")
        self.made: dict[str, list[str]] = {}

    def _make(self, made: Any, name: str, unit: str, about: str) -> Any:
        kind = next(kind for base, kind in KINDS.items() if isinstance(made, base))
        self.made[name] = [kind, unit]
        assert about
        return made

    def create_counter(self, name: str, unit: str = "", description: str = "") -> Counter:
        return self._make(super().create_counter(name, unit, description), name, unit, description)

    def create_up_down_counter(self, name: str, unit: str = "", description: str = "") -> UpDownCounter:
        return self._make(super().create_up_down_counter(name, unit, description), name, unit, description)

    def create_histogram(self, name: str, unit: str = "", description: str = "", **options: Any) -> Histogram:
        return self._make(super().create_histogram(name, unit, description, **options), name, unit, description)


def test_every_metric_is_listed_with_its_kind_and_its_unit() -> None:
    catalogue = Catalogue()
    Instruments(catalogue)
    assert {name: row[:2] for name, row in table("metric").items()} == catalogue.made


@simulated
async def test_every_metric_has_the_attributes_that_are_listed() -> None:
    readings = told.Readings()
    async with world(policy=QUICK, observers=[readings.observer()]) as w:
        await eventful(w)
    server = FakeLiveServer(ServerScript(models=frozenset({"another"})))
    with pytest.raises(relive.SessionFailed):
        async with world(server=server, observers=[readings.observer()]):
            pass
    observer = readings.observer()
    observer.notice(Notice("saved", "", 0.0, 1, 0.25))
    names = [field.name for field in attrs.fields(relive.Stats)]
    observer.counted(relive.Stats(**dict.fromkeys(names, 1)))
    seen = {
        name: {label for point in metric.data.data_points for label in point.attributes} - told.COMMON.keys()
        for name, metric in readings.metrics().items()
    }
    listed = {name: set(row[3].split(", ")) - {""} for name, row in table("metric").items()}
    assert seen == listed


@simulated
async def test_every_span_has_the_attributes_that_are_listed() -> None:
    readings = told.Readings()
    async with world(policy=QUICK, observers=[readings.observer(conversation="ada")]) as w:
        await eventful(w)
    seen: dict[str, set[str]] = {}
    for span in readings.spans:
        seen.setdefault(span.name, set()).update(span.attributes or {})
    assert {name: names - {"error.type"} for name, names in seen.items()} == {
        name: set(row[1].split(", ")) for name, row in table("span").items()
    }


def test_every_notice_is_listed_with_its_level() -> None:
    listed = table("notice")
    sources = [path.read_text("utf-8") for floor in ("core", "runtime") for path in (PACKAGE / floor).rglob("*.py")]
    given = {word for text in sources for word in re.findall(r'(?:notice|trouble|Warn)\(\s*"([a-z_]+)"', text)}
    assert {"dialled", "index_anomaly", "store_error"} < given
    assert given - listed.keys() == set()
    levels = {name: logging.getLevelName(log._LEVELS.get(name, logging.WARNING)) for name in listed}
    assert {name: row[0] for name, row in listed.items()} == levels


def test_every_field_of_a_record_is_listed() -> None:
    rows = table("field")
    listed = {
        kind: {name for name, row in rows.items() if row[0] in (kind, "both")} for kind in ("transitions", "notices")
    }
    assert listed == {"transitions": test_logging.OF_TRANSITIONS, "notices": test_logging.OF_NOTICES}


@pytest.mark.parametrize("name", ["logging", "opentelemetry", "trace", "live"])
def test_a_recipe_makes_an_observer_of_one_session(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    observer = play(name)["observer"]

    @simulated
    async def life() -> None:
        async with world(observers=[observer]) as w:
            await asyncio.sleep(1.0)
        assert w.session.stats.observer_overflows == 0

    life()
    assert isinstance(observer, relive.Observer)


def test_the_only_conventions_are_those_that_are_named() -> None:
    assert test_metrics.COMMON.keys() == {"gen_ai.provider.name", "gen_ai.request.model"}
    assert set(re.findall(r"gen_ai\.[a-z.]+", TEXT)) == {*test_metrics.COMMON, "gen_ai.conversation.id"}


def test_every_cause_of_a_failure_is_listed() -> None:
    sources = [PACKAGE / "core" / "actions" / "ending.py", PACKAGE / "runtime" / "runtime.py"]
    text = "".join(source.read_text("utf-8") for source in sources)
    causes = set(re.findall(r'(?:\bFailure|self\._fail)\(\s*"(\w+)"', text))
    said = re.search(r"the failure's cause: (.*?)\.\n", TEXT, re.DOTALL)
    assert said is not None
    assert set(re.findall(r"`(\w+)`", said[1])) == causes
