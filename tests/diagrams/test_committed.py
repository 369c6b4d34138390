"""The pictures in the repository are those of the table and the code as they are."""

from __future__ import annotations

from pathlib import Path

from relive.core import events as ev
from relive.core.table import TABLE
from relive.diagrams import Options, of_table
from relive.diagrams.floors import floors, imports, stands_on
from relive.diagrams.gallery import floor_plans, gallery, left_over, stale
from relive.diagrams.reading import ORIGIN_OF

HOME = Path(__file__).parents[2] / "diagrams"


def test_none_of_them_is_stale() -> None:
    files = gallery(of_table(TABLE), "lifecycle", views=Options(orders=True)) | floor_plans()
    assert stale(files, HOME) + left_over(files, HOME) == [], "relive diagram --out diagrams"


def test_somebody_says_where_every_fact_comes_from() -> None:
    facts = {kind.__name__ for kind in ev.Event.__args__} - {"DeadlineReached", "Extra"}
    assert set(ORIGIN_OF) == facts


def test_the_floors_are_those_of_the_imports(tmp_path: Path) -> None:
    for name, text in {
        "__init__": "import p.roof",
        "ground": "import os",
        "walls/__init__": "",
        "walls/north": "def late():\n    from p import ground",
        "roof": "from p.walls.north import late\nfrom p import ground\nif TYPE_CHECKING:\n    import p.sky",
        "sky": "import p.roof",
    }.items():
        path = tmp_path / "p" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    parts = imports(tmp_path / "p")
    assert parts == {
        "ground": frozenset(),
        "walls": frozenset({"ground"}),
        "roof": frozenset({"walls", "ground"}),
        "sky": frozenset({"roof"}),
    }
    assert floors(parts) == [["sky"], ["roof"], ["walls"], ["ground"]]
    assert stands_on(parts, "roof") == ["walls"]


def test_of_our_own_floors_errors_is_the_lowest() -> None:
    assert floors(imports())[-1] == ["errors"]
    assert "core" in floors(imports())[-2]
