"""The page as people use it: with a pointer, with keys, on a phone, in the dark, and with a trace that means harm."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tests.timeline.conftest import Open
from tests.timeline.traces import BROKEN, HEADER, HOSTILE, Stream, hostile, line, played, step

pytestmark = pytest.mark.slow

# One session in a minute, with everything at a time of its own.
LIFE = (
    HEADER,
    line(0.0, "session", "ada"),
    step(0.0, "IDLE", "CONNECTING", "ConnectRequested"),
    step(1.0, "CONNECTING", "ACTIVE", "ConnectionOpened"),
    line(1.0, "transition", "CONNECTING → ACTIVE", ["ConnectionOpened", 1, 1.0, ["fresh", "", 0, 0, 0]]),
    line(1.0, "flow", "", [40, 40, 20, 20, 0, 3, 10.0]),
    line(10.0, "read", "sessionResumptionUpdate", ["a4d12ef8b4", True, "17"]),
    line(20.0, "notice", "go_away", ["", 15.0]),
    step(20.0, "ACTIVE", "DRAINING", "GoAwayReceived"),
    line(25.0, "fault", "ResetPeer", {"way": "both", "seconds": 4.0}, client=-1),
    line(30.0, "notice", "lost", "1011: Internal error"),
    step(30.0, "DRAINING", "RESUMING", "ConnectionDropped", conn=2),
    step(35.0, "RESUMING", "ACTIVE", "ConnectionOpened", conn=2),
    line(35.0, "transition", "RESUMING → ACTIVE", ["ConnectionOpened", 2, 35.0, ["resumed", "", 18, 0, 0]], conn=2),
    line(50.0, "notice", "store_error", "save failed: OSError", conn=2),
    line(60.0, "end", "ACTIVE", conn=2),
)


def at(page: Page, seconds: float, end: float = 60.0) -> float:
    """Where in the plot that time is, in pixels."""
    box = page.locator("#plot").bounding_box()
    assert box is not None
    gutter = 54 if box["width"] < 560 else 84
    return box["x"] + gutter + (box["width"] - gutter - 14) * seconds / end


def tips(page: Page, seconds: float) -> Iterator[str]:
    """What the tip says down a line at that time."""
    box = page.locator("#plot").bounding_box()
    assert box is not None
    for y in range(28, int(box["height"]), 5):
        page.mouse.move(at(page, seconds), box["y"] + y)
        if page.locator("#tip").is_visible():
            yield page.locator("#tip").inner_text()


def lit(page: Page) -> list[str]:
    return page.eval_on_selector_all("#machine .lit", "all => all.map(one => one.dataset.state)")


def now(page: Page, term: str) -> str:
    return page.locator(f"#now div:has(dt:text-is('{term}')) dd.large").inner_text()


def value(page: Page) -> float:
    return float(page.locator("#plot").get_attribute("aria-valuenow") or "nan")


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (10.0, "handle a4d12ef8b4"),
        (15.0, "ACTIVE"),
        (5.0, "20 frames in, 40 out"),
        (20.0, "15 s left"),
        (25.0, "fault: ResetPeer"),
        (25.0, "connection #1"),
        (30.0, "1011: Internal error"),
        (35.0, "resumed, 18 frames replayed"),
        (50.0, "save failed: OSError"),
    ],
)
def test_a_pointer_over_anything_tells_what_it_is(open_page: Open, seconds: float, said: str) -> None:
    assert any(said in tip for tip in tips(open_page(*LIFE), seconds))


def test_the_tip_goes_when_the_pointer_does(open_page: Open) -> None:
    page = open_page(*LIFE)
    assert list(tips(page, 15.0))
    page.mouse.move(5, 5)
    expect(page.locator("#tip")).to_be_hidden()


@pytest.mark.parametrize(
    ("seconds", "state", "way"),
    [
        (0.5, "CONNECTING", ["IDLE", "CONNECTING"]),
        (10.5, "ACTIVE", ["CONNECTING", "ACTIVE"]),
        (22.0, "DRAINING", ["ACTIVE", "DRAINING"]),
        (32.0, "RESUMING", ["DRAINING", "RESUMING"]),
        (55.0, "ACTIVE", ["RESUMING", "ACTIVE"]),
    ],
)
def test_the_scrubber_lights_the_state_and_the_way_that_led_there(
    open_page: Open, seconds: float, state: str, way: list[str]
) -> None:
    page = open_page(*LIFE)
    box = page.locator("#plot").bounding_box()
    assert box is not None
    page.mouse.move(at(page, 40.0), box["y"] + 10)
    page.mouse.down()
    page.mouse.move(at(page, seconds), box["y"] + 10, steps=4)
    page.mouse.up()
    assert [one for one in lit(page) if one] == [state]
    assert now(page, "State") == state
    assert state in (page.locator("#plot").get_attribute("aria-valuetext") or "")
    taken = page.eval_on_selector_all("#machine .taken", "all => all.map(one => one.dataset.ways)")
    assert taken
    assert all(way in json.loads(ways) for ways in taken)
    assert abs(value(page) - seconds) < 0.2


def test_keys_move_through_time_and_from_mark_to_mark(open_page: Open) -> None:
    page = open_page(*LIFE)
    page.locator("#plot").focus()
    press(page, "End")
    assert value(page) == 60.0
    press(page, "ArrowLeft", "Shift+ArrowLeft")
    assert value(page) == pytest.approx(60.0 - 0.3 - 3.0)
    press(page, "Home")
    assert value(page) == 0.0
    press(page, "PageDown", "ArrowRight")
    assert value(page) == pytest.approx(6.3)
    press(page, "Home")
    found: list[tuple[float, str]] = []
    for key in "njnjnj":
        press(page, key)
        found.append((value(page), page.locator("#said").inner_text()))
    assert [t for t, _ in found] == [1.0, 20.0, 25.0, 30.0, 35.0, 50.0]
    assert "fault: ResetPeer" in found[2][1]
    expect(page.locator("#tip")).to_contain_text("save failed")
    press(page, "n")
    assert page.locator("#said").inner_text() == "That was the last one."
    press(page, "p", "k")
    assert value(page) == 30.0
    press(page, ".", ".", ",")
    assert "DRAINING → RESUMING" in page.locator("#list .here").inner_text()
    assert page.evaluate("document.activeElement.id") == "plot"


def test_keys_zoom_and_what_is_shown_follows_the_cursor(open_page: Open) -> None:
    page = open_page(*LIFE)
    page.locator("#plot").focus()
    press(page, "n", "n", "+", "+", "+", "+")
    first = page.locator("#base").screenshot()
    press(page, "End")
    page.wait_for_function(
        "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))"
    )
    assert page.locator("#base").screenshot() != first
    press(page, "0", "-")
    assert value(page) == 60.0


def test_a_search_lists_its_matches_and_n_goes_through_them(open_page: Open) -> None:
    page = open_page(*LIFE)
    press(page, "/")
    page.keyboard.type("OSError")
    expect(page.locator("#found")).to_have_text("1 match")
    expect(page.locator("#list .row")).to_have_count(1)
    press(page, "Enter")
    assert value(page) == 50.0
    page.locator("#find").fill("connection")
    expect(page.locator("#found")).to_have_text("5 matches")
    press(page, "Shift+Enter")
    assert value(page) == 35.0
    page.locator("#find").fill("nothing like that")
    expect(page.locator("#found")).to_have_text("0 matches")
    expect(page.locator("#none")).to_be_visible()
    press(page, "Escape")
    expect(page.locator("#none")).to_be_hidden()
    expect(page.locator("#found")).to_be_empty()
    assert page.locator("#list .row").count() > 10


def test_the_list_follows_and_leads(open_page: Open) -> None:
    page = open_page(*LIFE)
    page.locator("#list .row", has_text="GoAwayReceived").click()
    assert value(page) == 20.0
    expect(page.locator("#list [aria-current=true]")).to_contain_text("ACTIVE → DRAINING")
    expect(page.locator("#details")).to_contain_text("on GoAwayReceived")


def test_a_kind_of_mark_can_be_hidden(open_page: Open) -> None:
    page = open_page(*LIFE)
    page.get_by_role("button", name=re.compile("^handle")).click()
    assert not any("handle a4d" in tip for tip in tips(page, 10.0))
    page.locator("#plot").focus()
    press(page, "Home", "n", "n")
    assert value(page) == 20.0


def test_handles_are_stops_where_there_is_nothing_else(open_page: Open) -> None:
    page = open_page(HEADER, *(line(t, "read", "sessionResumptionUpdate", ["a4d12ef8b4", True]) for t in (3.0, 5.0)))
    page.locator("#plot").focus()
    press(page, "n", "n")
    assert value(page) == 5.0


def test_a_state_of_an_embedders_own_does_not_end_a_connection(open_page: Open) -> None:
    page = open_page(
        HEADER,
        step(0.0, "IDLE", "CONNECTING", "ConnectRequested"),
        step(1.0, "CONNECTING", "GREETING", "ConnectionOpened"),
        step(10.0, "GREETING", "ACTIVE", "Greeted"),
        step(20.0, "ACTIVE", "LISTENING", "Held"),
        step(40.0, "LISTENING", "RESUMING", "ConnectionDropped", conn=2),
        line(60.0, "end", "RESUMING", conn=2),
    )
    for seconds in (5.0, 15.0, 30.0):
        assert any("connection #1" in tip and "for 39 s" in tip for tip in tips(page, seconds)), seconds
    assert not any("connection #1" in tip for tip in tips(page, 50.0))


def test_at_the_end_the_newest_count_of_frames_stands(open_page: Open) -> None:
    flows = [line(t, "flow", "", [5, 5, 10, 10, 0, 0, 1.0]) for t in (10.0, 57.5)]
    page = open_page(HEADER, step(0.0, "CONNECTING", "ACTIVE"), *flows, line(60.0, "end", "ACTIVE"))
    page.locator("#plot").focus()
    press(page, "End")
    assert now(page, "Frames") == "10/s in"
    press(page, "Home", *["Shift+ArrowRight"] * 4)
    assert (value(page), now(page, "Frames")) == (12.0, "–")


def test_a_broken_promise_stands_on_top_with_the_step_before_it(open_page: Open) -> None:
    page = open_page(*played(violated=True))
    card = page.locator(".broken")
    expect(card).to_contain_text(BROKEN.promise)
    expect(card).to_contain_text(BROKEN.what)
    expect(card).to_contain_text("step 3 of the plan, at 120 s: ExpireHandles")
    assert page.locator("#client option:checked").inner_text() == "1 (violation)", "its session is looked at first"
    card.get_by_role("button").click()
    assert value(page) == BROKEN.at
    expect(page.locator("#tip")).to_contain_text(BROKEN.what)


def test_another_run_and_another_session_can_be_chosen(open_page: Open) -> None:
    page = open_page(*LIFE, *played())
    page.locator("#run").select_option(index=1)
    expect(page.locator("#facts")).to_contain_text("simulated")
    page.locator("#client").select_option(index=1)
    assert page.locator("#client option:checked").inner_text() == "1"
    page.locator("#run").select_option(index=0)
    expect(page.locator("#clients")).to_be_hidden()
    expect(page.locator("#who")).to_have_text(" · ada")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_a_hostile_trace_is_shown_as_text_and_runs_nothing(open_page: Open, theme: str, width: int) -> None:
    page = open_page(*hostile(), theme=theme, width=width, name=HOSTILE[0])
    expect(page.locator("h1")).to_have_text(HOSTILE[0])
    expect(page.locator(".broken").first).to_contain_text("</script><script>alert(1)</script>")
    page.locator("#plot").focus()
    press(page, "End", *["p"] * 30, *[","] * 60)
    list(tips(page, 30.0))
    for text in ("onerror", "__proto__", "constructor", "\u05e9\u05dc", "u{202e}"):
        page.locator("#find").fill(text)
        page.locator("#find").press("Enter")
        expect(page.locator("#list .row").first).to_be_visible()
    assert page.evaluate("document.querySelectorAll('img, iframe, object, embed').length") == 0
    assert page.evaluate("document.scripts.length") == 2
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


TEXTS = "h1, h2:not(.unseen), dt, dd, button, option:checked, .broken p, .note, .kicker, #legend span, .details p"
CUT = f"""() => {{
  const shown = [...document.querySelectorAll({TEXTS!r})].filter(one => one.getClientRects().length);
  const found = shown.filter(one => one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).display !== 'inline')
    .map(one => 'cut: ' + one.textContent);
  const leaves = shown.filter(one => !one.children.length && one.textContent.trim() && one.tagName !== 'OPTION')
    .map(one => [one.textContent, one.getBoundingClientRect()]);
  leaves.forEach(([text, a], n) => {{
    if (a.left < 0 || a.right > innerWidth + 1) found.push('outside: ' + text);
    leaves.slice(n + 1).forEach(([other, b]) => {{
      if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
          Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1) found.push(text + ' and ' + other);
    }});
  }});
  return found;
}}"""


@pytest.mark.parametrize("width", [390, 700, 1280])
@pytest.mark.parametrize("name", ["life", "violated", "hostile"])
def test_nothing_overlaps_or_is_cut_off(open_page: Open, name: str, width: int) -> None:
    lines = {"life": LIFE, "violated": played(violated=True), "hostile": hostile()}[name]
    page = open_page(*lines, width=width)
    page.locator("#plot").focus()
    press(page, "n", "n", "n")
    assert page.evaluate(CUT) == []
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_everything_that_can_be_used_has_a_name_and_a_visible_focus(open_page: Open) -> None:
    page = open_page(*LIFE)
    names: list[str] = []
    for _ in range(20):
        press(page, "Tab")
        said: Any = page.evaluate(
            "(one => one === document.body ? null : [one.ariaLabel || one.getAttribute('aria-labelledby') ||"
            " one.innerText, getComputedStyle(one).outlineStyle])(document.activeElement)"
        )
        if said is None:
            break
        names.append(said[0])
        assert said[0]
        assert said[1] != "none", said[0]
    assert {"Search events", "Next mark or match", "Zoom in", "Help", "Time"} <= set(names)


def test_help_is_a_key_away(open_page: Open) -> None:
    page = open_page(*LIFE)
    press(page, "?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    press(page, "End")
    assert value(page) == 0.0, "the page behind it hears no keys"
    press(page, "Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_theme_that_changes_is_followed(open_page: Open) -> None:
    page = open_page(*LIFE)
    light = page.locator("#base").screenshot()
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(
        "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))"
    )
    assert page.locator("#base").screenshot() != light


def test_a_hundred_thousand_events_are_looked_at_as_well_as_a_hundred(open_page: Open) -> None:
    lines = Stream(100_000).readall().decode().splitlines()
    page = open_page(*lines)
    expect(page.locator("#facts")).to_contain_text("28:38:10")
    rows = int((page.locator("#list").get_attribute("aria-rowcount") or "0").replace(",", ""))
    assert rows > 90_000
    assert page.locator("#list .row").count() < 80, "only what can be seen is in the page"
    page.locator("#plot").focus()
    press(page, "End")
    assert value(page) > 90_000
    expect(page.locator("#list .here")).to_be_visible()
    press(page, "p", "p", "+", "+", "+", "+")
    end = value(page)
    assert list(tips(page, 30.0))
    page.locator("#find").fill("GoAwayReceived")
    expect(page.locator("#found")).to_have_text("1,031 matches")
    press(page, "Enter")
    assert value(page) <= end
