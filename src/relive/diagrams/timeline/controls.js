// Pointer, keys, and the tip that says what lies under the pointer.

/** What lies there, as lines of title and details. */
function lines(hit) {
  if (hit.marks) {
    const said = hit.marks.slice(0, 4).map((mark) => {
      const [title, more] = told(ui.run.rows[mark.i]);
      const word = mark.verdict ? `#${mark.conn}: ${printable(judged(mark.verdict))}` : title;
      return [mark.t, word, word === title ? more : ""];
    });
    if (hit.marks.length > 4) said.push([null, `and ${hit.marks.length - 4} more`, ""]);
    return said;
  }
  if (hit.band) {
    const { t, state, event } = hit.band;
    const length = `for ${span(hit.until - t)}`;
    return [[t, printable(state || "no process"), printable(event ? `on ${event}, ${length}` : length)]];
  }
  if (hit.flow) {
    const [t, until, , , written, read] = hit.flow;
    return [[t, `${few(read, "frame")} in, ${number(written)} out`, `in ${span(until - t)}`]];
  }
  const { name, from, up, until, verdict, end } = hit.lane;
  const said = [[from ?? up, `connection ${name}`, verdict ? printable(judged(verdict)) : ""]];
  if (up !== null) said.push([up, "up", `for ${span((until ?? ui.run.end) - up)}`]);
  if (until !== null) said.push([until, "left", printable(end)]);
  return said;
}

function showTip(hit, x, y) {
  const tip = $("tip");
  tip.replaceChildren(...lines(hit).map(([t, title, more]) => {
    const line = make("p");
    if (t !== null) line.append(make("time", "", clock(t)));
    line.append(make("b", "", title));
    if (more) line.append(document.createElement("br"), make("span", "aside", more));
    return line;
  }));
  tip.hidden = false;
  const { offsetWidth: width, offsetHeight: height } = tip;
  const left = x + 18 + width < plot.width ? x + 18 : Math.max(0, Math.min(x - 18 - width, plot.width - width));
  // Beside the pointer if there is room; else below it, so that it is not in its own way.
  const beside = left === x + 18 || left + width < x;
  const top = beside ? Math.min(y - height / 2, plot.height - height) : y + 22;
  tip.style.transform = `translate(${Math.round(left)}px, ${Math.round(Math.max(0, top))}px)`;
}

/** The tip at marks that the keys have gone to. */
function tipAt(marks) {
  // The places of marks are known once the view has been drawn.
  requestAnimationFrame(() => {
    const at = marks.length ? plot.where(marks[0], ui) : null;
    if (at) showTip({ marks }, ...at);
    else $("tip").hidden = true;
  });
}

function unpoint() {
  $("tip").hidden = true;
  ui.hover = ui.pointed = null;
  redraw(CURSOR);
}

function wirePlot() {
  const box = $("plot");
  let dragging = false;
  const place = (event) => {
    const { left, top } = box.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  };
  const scrub = (x) => go(plot.t(Math.min(Math.max(x, plot.gutter), plot.width - RIGHT), ui.view));
  box.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const [x, y] = place(event);
    box.focus({ preventScroll: true });
    dragging = true;
    if (event.isTrusted) box.setPointerCapture(event.pointerId);
    const hit = plot.hit(x, y, ui);
    if (hit?.marks) goRow(hit.marks[hit.marks.length - 1].i, true);
    else scrub(x);
  });
  box.addEventListener("pointermove", (event) => {
    const [x, y] = place(event);
    if (dragging) {
      unpoint();
      scrub(x);
      return;
    }
    ui.hover = { x, y };
    const hit = plot.hit(x, y, ui);
    ui.pointed = hit?.marks ?? null;
    if (hit) showTip(hit, x, y);
    else $("tip").hidden = true;
    redraw(CURSOR);
  });
  for (const name of ["pointerup", "pointercancel"]) box.addEventListener(name, () => { dragging = false; });
  box.addEventListener("pointerleave", unpoint);
  box.addEventListener("wheel", (event) => {
    const { a, b } = ui.view;
    if (event.ctrlKey || event.metaKey) zoom(Math.exp(event.deltaY / 300), plot.t(place(event)[0], ui.view));
    else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      const by = ((event.deltaX || event.deltaY) / plot.width) * (b - a);
      look(a + by, b + by);
    } else return;
    event.preventDefault();
  }, { passive: false });
}

function wireOverview() {
  const strip = $("overview");
  let begin = null;
  const at = (event) => {
    const { left } = strip.getBoundingClientRect();
    return Math.min(Math.max(plot.t(event.clientX - left, { a: 0, b: ui.run.end }), 0), ui.run.end);
  };
  strip.addEventListener("pointerdown", (event) => {
    begin = at(event);
    if (event.isTrusted) strip.setPointerCapture(event.pointerId);
    const { clients, tall, most } = overview;
    const row = Math.floor((event.clientY - strip.getBoundingClientRect().top - 2) / tall);
    const client = clients[Math.floor((Math.min(Math.max(row, 0), most - 1) * clients.length) / most)];
    if (clients.length > 1 && client !== ui.client) choose(ui.run, client);
  });
  strip.addEventListener("pointermove", (event) => {
    if (begin === null) return;
    const t = at(event);
    if (Math.abs(t - begin) > ui.run.end / 200) look(Math.min(t, begin), Math.max(t, begin));
  });
  strip.addEventListener("pointerup", (event) => {
    const t = at(event);
    if (begin !== null && Math.abs(t - begin) <= ui.run.end / 200) go(t);
    begin = null;
  });
  strip.addEventListener("pointercancel", () => { begin = null; });
}

/** What a key does; undefined: nothing. */
function keyed(event) {
  const { a, b } = ui.view;
  const far = (b - a) / (event.shiftKey ? 20 : 200);
  return {
    ArrowLeft: () => go(ui.cursor.t - far), ArrowRight: () => go(ui.cursor.t + far),
    PageUp: () => go(ui.cursor.t - (b - a) / 10), PageDown: () => go(ui.cursor.t + (b - a) / 10),
    Home: () => go(0), End: () => go(ui.run.end),
    n: () => jump(ui.stops, 1), j: () => jump(ui.stops, 1), p: () => jump(ui.stops, -1), k: () => jump(ui.stops, -1),
    ".": () => jump(ui.matches ?? ui.order, 1), ",": () => jump(ui.matches ?? ui.order, -1),
    "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), "−": () => zoom(2), 0: () => look(0, ui.run.end),
    "/": () => $("find").focus(), "?": () => $("help").showModal(),
    Escape: () => { unpoint(); if (ui.query) search(""); },
  }[event.key];
}

function wireKeys() {
  const typing = "input, select, textarea";
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
    const within = event.target instanceof Element ? event.target : document.body;
    // Where keys have a meaning of their own, only the slider takes them.
    const scrolls = event.key.startsWith("Page") || event.key === "Home" || event.key === "End";
    if (within.matches(typing) || (scrolls && within.id === "list")) return;
    if (event.key.startsWith("Page") && within.id !== "plot") return;
    const act = keyed(event);
    if (!act) return;
    event.preventDefault();
    if (event.key.startsWith("Arrow") || scrolls) unpoint();
    act();
  });
  $("find").addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      search($("find").value);
      jump(ui.stops, event.shiftKey ? -1 : 1);
    } else if (event.key === "Escape") {
      search("");
      $("plot").focus({ preventScroll: true });
    } else return;
    event.preventDefault();
  });
  let later = 0;
  $("find").addEventListener("input", () => {
    clearTimeout(later);
    later = setTimeout(() => search($("find").value), 120);
  });
}

/** Look for events with this text. Empty: for none. */
function search(text) {
  const query = text.trim().toLowerCase();
  if (!text) $("find").value = "";
  if (query === ui.query) return;
  ui.query = query;
  arrange();
  redraw(ALL);
}

function wireRest() {
  $("back").addEventListener("click", () => jump(ui.stops, -1));
  $("next").addEventListener("click", () => jump(ui.stops, 1));
  $("in").addEventListener("click", () => zoom(0.5));
  $("out").addEventListener("click", () => zoom(2));
  $("fit").addEventListener("click", () => look(0, ui.run.end));
  $("ask").addEventListener("click", () => $("help").showModal());
  $("run").addEventListener("change", (event) => choose(runs[Number(event.target.value)]));
  $("client").addEventListener("change", (event) => choose(ui.run, ui.run.client(Number(event.target.value))));
  new ResizeObserver(() => { if ($("plot").clientWidth !== plot.width) redraw(ALL); }).observe($("plot"));
  for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)"]) {
    matchMedia(query).addEventListener("change", () => {
      readColours();
      fillLegend();
      events.clear();
      events.paint();
      redraw(ALL);
    });
  }
}

function wireMachine() {
  const all = (selector) => document.querySelectorAll(`#machine ${selector}`);
  const put = (map, key, element) => map.set(key, [...(map.get(key) ?? []), element]);
  for (const element of all("[data-state]")) put(machine.states, element.dataset.state, element);
  for (const element of all("[data-ways]")) {
    for (const [source, dest] of JSON.parse(element.dataset.ways)) put(machine.ways, `${source}>${dest}`, element);
  }
}

readColours();
wireMachine();
$("name").textContent = printable(data.name, 200);
$("notes").replaceChildren(...data.notes.map((note) => make("p", "note", printable(note))));
wirePlot();
wireOverview();
wireKeys();
wireRest();
choose(runs.find((run) => run.violations.length) ?? runs[0]);
performance.mark("drawn");
