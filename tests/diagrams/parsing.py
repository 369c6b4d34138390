"""Readers of what the emitters write. They know the formats and nothing of how relive draws."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

import attrs

Transition = tuple[str, str, str, str, tuple[str, ...]]
"Source, event, guard, destination, orders."
SVG = "{http://www.w3.org/2000/svg}"


@attrs.define
class Drawn:
    """A picture, as it was read."""

    names: dict[str, str] = attrs.Factory(dict[str, str])
    "Of its nodes."
    final: set[str] = attrs.Factory(set[str])
    anywhere: set[str] = attrs.Factory(set[str])
    "Nodes that stand for every state that is not final."
    choices: set[str] = attrs.Factory(set[str])
    begins: list[str] = attrs.Factory(list[str])
    arrows: list[tuple[str, str, list[str]]] = attrs.Factory(list[tuple[str, str, list[str]]])
    stays: list[tuple[str, list[str]]] = attrs.Factory(list[tuple[str, list[str]]])

    @property
    def states(self) -> list[str]:
        return [self.names[node] for node in self.names if node not in self.anywhere | self.choices]

    def transitions(self) -> list[Transition]:
        """Everything that the arrows say."""
        found: list[Transition] = []
        into: dict[str, list[tuple[str, list[str]]]] = {}
        for source, dest, clauses in self.arrows:
            if dest in self.choices:
                into.setdefault(dest, []).append((source, [event for text in clauses for event in read(text)[0]]))
        for source, dest, clauses in self.arrows:
            if dest in self.choices:
                continue
            for events, outcomes in map(read, clauses):
                if source in self.choices:
                    places = [(self.names[node], event) for node, told in into[source] for event in told]
                else:
                    everyone = [node for node in self.names if node not in self.final | self.anywhere | self.choices]
                    sources = everyone if source in self.anywhere else [source]
                    places = [(self.names[node], event) for node in sources for event in events]
                for place in places:
                    found += [(*place, guard, self.names[dest], orders) for guard, orders in outcomes]
        return found

    def unchanging(self) -> list[Transition]:
        return [
            (self.names[node], event, guard, self.names[node], orders)
            for node, clauses in self.stays
            for events, outcomes in map(read, clauses)
            for event in events
            for guard, orders in outcomes
        ]


def read(clause: str) -> tuple[list[str], list[tuple[str, tuple[str, ...]]]]:
    """``A, B [g | h] / x, y; [else] / z``: events, and the outcomes of each."""
    match = re.fullmatch(r"(?P<events>[^\[/]*?)\s*(?P<rest>[\[/].*)?", clause.strip())
    assert match, clause
    outcomes: list[tuple[str, tuple[str, ...]]] = []
    for way in (match["rest"] or "").split(";"):
        parts = re.fullmatch(r"\s*(?:\[(?P<guards>[^\]]*)\])?\s*(?:/ (?P<orders>.*))?", way)
        assert parts, way
        orders = tuple((parts["orders"] or "").split(", ")) if parts["orders"] else ()
        guards = (parts["guards"] or "").split(" | ")
        outcomes += [("" if guard == "else" else guard, orders) for guard in guards]
    return [event for event in match["events"].split(", ") if event], outcomes


def _unescaped(text: str) -> str:
    return re.sub(r"#(\d+);", lambda found: chr(int(found[1])), re.sub(r"<font color=#\w+>●</font>#160;", "", text))


def mermaid(text: str) -> Drawn:
    """Read a ``stateDiagram-v2``; a line that is none of the grammar's used here is an error."""
    drawn = Drawn()
    lines = text.splitlines()
    assert lines[0] == "stateDiagram-v2"
    note = ""
    for line in (line.strip() for line in lines[1:]):
        if note:
            if line == "end note":
                note = ""
            elif line != "nothing changes on":
                drawn.stays[-1][1].append(_unescaped(line))
        elif match := re.fullmatch(r'state "([^"]*)" as (\w+)', line):
            drawn.names[match[2]] = _unescaped(match[1])
            if match[2].startswith("fork"):
                drawn.anywhere.add(match[2])
        elif match := re.fullmatch(r"state (\w+) <<choice>>", line):
            drawn.names[match[1]] = ""
            drawn.choices.add(match[1])
        elif match := re.fullmatch(r"\[\*\] --> (\w+)", line):
            drawn.begins.append(drawn.names[match[1]])
        elif match := re.fullmatch(r"(\w+) --> \[\*\]", line):
            drawn.final.add(match[1])
        elif match := re.fullmatch(r"(\w+) --> (\w+)(?: : ([^;]*(?:#\d+;[^;]*)*))?", line):
            drawn.arrows.append((match[1], match[2], [_unescaped(part) for part in (match[3] or "").split("<br/>")]))
        elif match := re.fullmatch(r"note right of (\w+)", line):
            note = match[1]
            drawn.stays.append((note, []))
        else:
            assert re.fullmatch(r"direction TB|classDef dashed [\w -]+: [\d ]+|class \w+ dashed", line), line
    return drawn


def _label(text: str) -> list[str]:
    lines = re.sub(r"</?font[^>]*>", "", text).split('<br align="left"/>')
    return [html.unescape(line).strip("\xa0 ") for line in lines if line]


def dot(text: str) -> Drawn:
    """Read a digraph; a line that is none of the grammar's used here is an error."""
    drawn = Drawn()
    lines = text.splitlines()
    assert (lines[0], lines[-1]) == ("digraph {", "}")
    notes: list[str] = []
    for line in lines[1:-1]:
        if match := re.fullmatch(r'  "begin" -> "([^"]+)";', line):
            drawn.begins.append(drawn.names[match[1]])
        elif match := re.fullmatch(r'  "([^"]+)" -> "stays" \[style=dotted, dir=none\];', line):
            drawn.stays.append((match[1], notes))
        elif match := re.fullmatch(r'  "stays" \[label=<(.*)>, shape=note, style="", fontsize=10\];', line):
            notes = _label(match[1])[1:]
        elif match := re.fullmatch(
            r'  "([^"]+)" -> "([^"]+)" \[label=(?:<(.*)>|""), color="#\w+"(?:, [\w=.]+)?\];', line
        ):
            drawn.arrows.append((match[1], match[2], _label(match[3] or "") or [""]))
        elif match := re.fullmatch(r'  "((?:state|fork) \d+)" \[label=(?:<(.*)>|"")(, .*)?\];', line):
            drawn.names[match[1]] = html.unescape(re.sub(r">?, .*", "", match[2] or ""))
            if "peripheries" in (match[3] or ""):
                drawn.final.add(match[1])
            if match[1].startswith("fork"):
                (drawn.anywhere if match[2] else drawn.choices).add(match[1])
        else:
            assert re.match(r'  (graph|node|edge|"begin") \[[^<>]*\];$', line), line
    return drawn


def svg(text: str) -> Drawn:
    """Read a picture as eyes do: an arrow leads from what it touches with its foot to what it touches with its tip."""
    root = ET.fromstring(text)  # noqa: S314 - ours
    drawn, places = Drawn(), dict[str, tuple[float, float, float, float]]()
    unchanged = again = ""
    for number, group in enumerate(root.iter(f"{SVG}g")):
        kind = group.get("class", "")
        if kind in ("state", "anywhere", "fork", "unchanged", "again"):
            node = f"{kind} {number}"
            rects = group.findall(f"{SVG}rect")
            places[node] = _place(rects[0])
            drawn.names[node] = (group.findtext(f"{SVG}title") or "") if kind != "fork" else ""
            if len(rects) == 2:
                drawn.final.add(node)
            (drawn.anywhere if kind == "anywhere" else drawn.choices if kind == "fork" else set[str]()).add(node)
            unchanged = node if kind == "unchanged" else unchanged
            again = node if kind == "again" else again
    frames = [_place(rect) for rect in root.findall(f"{SVG}rect") if rect.get("rx")]
    for group in root.iter(f"{SVG}g"):
        if group.get("class") != "arrow":
            continue
        foot, tip = _ends(group)
        (dest,) = _touched(tip, places)
        sources = _touched(foot, places) or [
            node for frame in frames if _touches(foot, frame) for node, place in places.items() if _within(place, frame)
        ]
        assert sources, f"an arrow from nowhere: {group.findtext(f'{SVG}title')}"
        clauses = [_said(clause) for clause in group.iter(f"{SVG}text")] or [""]
        for source in sources:
            if dest == unchanged:
                drawn.stays.append((source, clauses))
            else:
                drawn.arrows.append((source, source if dest == again else dest, clauses))
    for node in (unchanged, again):
        drawn.names.pop(node, None)
    return drawn


def titles(text: str) -> list[str]:
    """What the arrows of a picture are said to stand for."""
    root = ET.fromstring(text)  # noqa: S314 - ours
    groups = [group for group in root.iter(f"{SVG}g") if group.get("class") == "arrow"]
    return [line for group in groups for line in (group.findtext(f"{SVG}title") or "").split("\n")]


def _said(clause: Any) -> str:
    return " ".join("".join(line.itertext()) for line in clause.findall(f"{SVG}tspan"))


def _ends(group: Any) -> tuple[tuple[float, float], tuple[float, float]]:
    way, tip = group.findall(f"{SVG}path")
    foot, point = (re.match(r"M(\S+) ([\d.-]+)", path.get("d")) for path in (way, tip))
    assert foot
    assert point
    return (float(foot[1]), float(foot[2])), (float(point[1]), float(point[2]))


def _place(rect: Any) -> tuple[float, float, float, float]:
    x, y, width, height = (float(rect.get(name)) for name in ("x", "y", "width", "height"))
    return x, y, x + width, y + height


def _touched(point: tuple[float, float], places: dict[str, tuple[float, float, float, float]]) -> list[str]:
    return [node for node, place in places.items() if _touches(point, place)]


def _touches(point: tuple[float, float], place: tuple[float, float, float, float], reach: float = 3.5) -> bool:
    (x, y), (left, top, right, bottom) = point, place
    inside = left - reach < x < right + reach and top - reach < y < bottom + reach
    deep = left + reach < x < right - reach and top + reach < y < bottom - reach
    return inside and not deep


def _within(place: tuple[float, float, float, float], frame: tuple[float, float, float, float]) -> bool:
    return place[0] > frame[0] and place[1] > frame[1] and place[2] < frame[2] and place[3] < frame[3]


def matrix(text: str) -> Iterator[tuple[str, str, str, str | None, tuple[str, ...]]]:
    """Read a Markdown table: what it says of each state and each event, None as the destination of what stays."""
    header, rule, *rows = [re.split(r"(?<!\\) ?\| ?", line)[1:-1] for line in text.splitlines()]
    assert set(rule) == {"---"}
    for row in rows:
        assert len(row) == len(header)
        for state, cell in zip(header[2:], row[2:], strict=True):
            for said in [] if cell == "✗" else cell.split("<br>"):
                match = re.fullmatch(r"(.*?)(?: \\\[(.*?)\\\])?(?: / (.*))?", said)
                assert match, said
                dest = None if match[1] == "stays" else _plain(match[1])
                guard = "" if match[2] in (None, "else") else _plain(match[2])
                orders = tuple(_plain(order) for order in match[3].split(", ")) if match[3] else ()
                yield _plain(state), _plain(row[0]), guard, dest, orders


def _plain(text: str) -> str:
    return html.unescape(re.sub(r"\\(.)", r"\1", text))
