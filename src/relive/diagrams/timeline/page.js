// The page: what is chosen, where the cursor is, and what follows from it.

const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const runs = data.runs.map((run) => new Run(run));
const plot = new Plot($("base"), $("over"));
const events = new List($("list"), $("rows"), (i) => goRow(i, true));
const ui = {
  run: runs[0], client: null, view: { a: 0, b: 1 }, cursor: { t: 0, i: -1 },
  hidden: new Set(), hover: null, pointed: null, query: "", matches: null, order: [], stops: [],
};
const machine = { states: new Map(), ways: new Map(), lit: [] };
let overview = null;
let waiting = 0;

/** Draw again at the next frame: all of it, or what follows the cursor. */
const ALL = 2;
const CURSOR = 1;
let due = 0;
function redraw(what) {
  due = Math.max(due, what);
  if (!waiting) waiting = requestAnimationFrame(paint);
}

function paint() {
  waiting = 0;
  const what = due;
  due = 0;
  if (what === ALL) {
    plot.layout(ui);
    plot.draw(ui);
    overview = drawOverview(plot, ui);
  }
  showOverview($("overview"), plot, ui, overview);
  plot.drawOver(ui);
}

/** Another run or session is looked at. */
function choose(run, client) {
  const other = run !== ui.run || !ui.client;
  ui.pointed = null;
  $("tip").hidden = true;
  ui.run = run;
  ui.client = client ?? worst(run);
  if (other) {
    ui.view = { a: 0, b: Math.max(run.end, 1e-3) };
    ui.cursor = { t: 0, i: -1 };
  }
  fillPickers();
  fillFacts();
  fillBroken();
  arrange();
  fillLegend();
  go(ui.cursor.t);
  redraw(ALL);
}

/** The session to look at first: one with a broken promise, if there is any. */
function worst(run) {
  const broken = run.violations.find((one) => run.clients.has(one.client));
  return run.clients.get(broken?.client) ?? run.clients.values().next().value ?? run.shared;
}

/** Which rows are listed, and where n and p stop. */
function arrange() {
  const { run, client } = ui;
  const alone = run.clients.size <= 1;
  ui.order = [];
  for (let i = 0; i < run.rows.length; i += 1) {
    if (alone || run.rows[i][1] === client.id || run.rows[i][1] < 0) ui.order.push(i);
  }
  ui.matches = ui.query ? ui.order.filter((i) => hay(run, i).includes(ui.query)) : null;
  stop();
  events.show(run, ui.matches ?? ui.order);
  events.go(ui.cursor.i);
  $("count").textContent = `${ui.matches ? `${number(ui.matches.length)} of ` : ""}${number(ui.order.length)}`;
  $("found").textContent = ui.matches ? few(ui.matches.length, "match", "matches") : "";
  $("none").hidden = !ui.matches || ui.matches.length > 0;
}

function stop() {
  const seen = [...ui.client.marks, ...ui.run.shared.marks].filter((mark) => !ui.hidden.has(mark.cat));
  // Handles come every few seconds: nobody wants to stop at each of them, unless there is nothing else.
  const rare = seen.filter((mark) => mark.cat !== "handle");
  const marks = rare.length ? rare : seen;
  ui.stops = ui.matches ?? [...new Set(marks.map((mark) => mark.i))].sort((one, other) => one - other);
}

/** What a row can be found by. */
function hay(run, i) {
  run.hay ??= [];
  return (run.hay[i] ??= `${told(run.rows[i]).join(" ")} ${run.rows[i][3]} ${run.rows[i][4]}`.toLowerCase());
}

/** Move the cursor to a time. */
function go(t, quiet = false) {
  ui.cursor.t = Math.min(Math.max(t, 0), ui.run.end);
  ui.cursor.i = lastAt(ui.run.rows, ui.cursor.t, (row) => row[0]);
  arrived(quiet);
}

/** Move the cursor to a row. */
function goRow(i, show = false) {
  ui.cursor = { t: ui.run.rows[i][0], i };
  arrived(false);
  if (!show) return;
  ui.pointed = [...ui.client.marks, ...ui.run.shared.marks].filter((mark) => mark.i === i);
  tipAt(ui.pointed);
}

function arrived(quiet) {
  const { view, cursor } = ui;
  if (cursor.t < view.a || cursor.t > view.b) look(cursor.t - (view.b - view.a) / 2, cursor.t + (view.b - view.a) / 2);
  events.go(cursor.i);
  tell(quiet);
  redraw(CURSOR);
}

/** Show another stretch of time. */
function look(a, b) {
  const end = Math.max(ui.run.end, 1e-3);
  const length = Math.min(Math.max(b - a, end / 1e6, 1e-3), end);
  const from = Math.min(Math.max(a, 0), end - length);
  ui.view = { a: from, b: from + length };
  redraw(ALL);
  if (ui.pointed && !ui.hover) tipAt(ui.pointed);
}

function zoom(factor, around = ui.cursor.t) {
  const { a, b } = ui.view;
  const middle = around < a || around > b ? (a + b) / 2 : around;
  look(middle - (middle - a) * factor, middle + (b - middle) * factor);
}

/** Go to the next or the previous of some rows. */
function jump(stops, way) {
  const n = way > 0 ? lastAt(stops, ui.cursor.i, (i) => i) + 1 : lastAt(stops, ui.cursor.i - 1, (i) => i);
  if (n < 0 || n >= stops.length) {
    $("said").textContent = way > 0 ? "That was the last one." : "That was the first one.";
    return;
  }
  goRow(stops[n], true);
  $("said").textContent = `${clock(ui.cursor.t)}: ${told(ui.run.rows[stops[n]]).filter(Boolean).join(", ")}`;
}

/** Say how everything stands at the cursor. */
function tell(quiet) {
  const { run, client, cursor } = ui;
  const { band: now, flow, journal, handle, lane } = standing(run, client, cursor.t, cursor.i);
  const state = now?.state ?? "";
  const rate = (n) => `${Number((n / Math.max(flow[1] - flow[0], 1e-3)).toPrecision(2))}/s`;
  const reason = now?.event ? `, on ${now.event}` : "";
  const since = now ? `for ${span(cursor.t - now.t)}${reason}` : "";
  const there = lane && (lane.until ?? Infinity) >= cursor.t;
  fill($("now"), [
    ["Time", clock(cursor.t), `of ${clock(run.end, 1)}`],
    ["State", state ? printable(state) : "–", printable(since), hue(state)],
    ["Connection", lane?.name ?? "–", lane ? printable(there ? saidOf(lane, cursor.t) : "closed") : ""],
    ["Frames", flow ? `${rate(flow[5])} in` : "–", flow ? `${rate(flow[4])} out` : ""],
    ["Journal", journal ? `${number(journal[1])} kept` : "–", journal ? `${number(journal[0])} waiting` : ""],
    handle ? ["Newest handle", `${span(cursor.t - handle.t)} old`, printable(named(run.rows[handle.i]))]
      : ["Newest handle", "–", ""],
  ]);
  light(state, now?.source, state);
  const on = now?.event ? ` on ${now.event}` : "";
  $("taken").textContent = now?.source ? printable(`${now.source}${ARROW}${state}${on}`) : "";
  const slider = $("plot");
  slider.setAttribute("aria-valuemax", String(run.end));
  slider.setAttribute("aria-valuenow", String(cursor.t));
  const where = lane ? `, connection ${lane.name}` : "";
  slider.setAttribute("aria-valuetext", `${clock(cursor.t)}, ${printable(state) || "no state"}${where}`);
  if (!quiet) detail(cursor.i);
}

function saidOf(lane, t) {
  if (lane.up === null || t < lane.up) return "being opened";
  return lane.verdict ? judged(lane.verdict) : "up";
}

function named([, , , kind, what, details]) {
  return kind === "read" ? plain(list(details)[0]) : kind === "save" ? what : "saved";
}

/** Fill a list of terms; what stands there is changed only where it differs. */
function fill(box, cells) {
  cells.forEach(([term, large, small, swatch], n) => {
    let cell = box.children[n];
    if (!cell) {
      cell = make("div");
      cell.append(make("dt", "", term), make("dd", "large"), make("dd"));
      cell.lastChild.append(make("small"));
      cell.children[1].append(document.createTextNode(""));
      box.append(cell);
    }
    const [, value, rest] = cell.children;
    if (value.lastChild.data !== large) value.lastChild.data = large;
    if (rest.firstChild.textContent !== small) rest.firstChild.textContent = small;
    if (swatch === undefined) return;
    if (value.childNodes.length < 2) value.prepend(make("span", "swatch"));
    value.firstChild.style.background = large === "–" ? "none" : `var(--${swatch})`;
    value.firstChild.style.borderColor = large === "–" ? "transparent" : `var(--${swatch}-line)`;
  });
}

/** Light a state in the diagram, and the way that led there. */
function light(state, source, dest) {
  for (const element of machine.lit) {
    element.classList.remove("lit", "taken");
    if (element.dataset.state !== undefined) element.querySelector("rect").style.fill = "";
  }
  machine.lit = [...(machine.states.get(state) ?? []), ...(machine.ways.get(`${source}>${dest}`) ?? [])];
  for (const element of machine.lit) {
    if (element.dataset.state === undefined) element.classList.add("taken");
    else {
      element.classList.add("lit");
      element.querySelector("rect").style.fill = `var(--${hue(state)})`;
    }
  }
}

function detail(i) {
  const box = $("details");
  const at = i < 0 ? undefined : (ui.matches ?? ui.order)[lastAt(ui.matches ?? ui.order, i, (place) => place)];
  const row = at === undefined ? null : ui.run.rows[at];
  box.replaceChildren();
  if (!row) return;
  const [title, more] = told(row);
  const head = make("p");
  head.append(make("span", "aside mono", `${clock(row[0])}  `), make("b", "", title));
  if (row[2]) head.append(make("span", "aside", `  connection ${number(row[2])}`));
  box.append(head);
  if (more) box.append(make("p", "", more));
  const raw = row[5] === null || typeof row[5] !== "object" ? "" : JSON.stringify(row[5]);
  if (raw && raw.length > 2 && row[3] !== "violation") box.append(make("code", "", printable(raw)));
}

/** What is wrong with the run, on top of everything. */
function fillBroken() {
  const box = $("broken");
  const { violations, plan } = ui.run;
  box.replaceChildren(...violations.slice(0, 5).map(({ i, t, client, promise, sentence, step: place }) => {
    const card = make("div", "broken");
    const text = make("p");
    text.append(make("span", "", printable(plain(sentence), 600)));
    const button = make("button", "", `show at ${clock(t, 1)}`);
    button.type = "button";
    button.addEventListener("click", () => {
      if (ui.run.clients.has(client) && ui.client.id !== client) choose(ui.run, ui.run.clients.get(client));
      goRow(i, true);
      $("plot").focus();
    });
    card.append(make("b", "", printable(promise, 40)), text, button);
    const struck = Number.isInteger(place) ? list(plan?.steps)[place] : null;
    if (struck) {
      const fault = plain(struck.fault).replace(/^fault /, "");
      const when = struck.state ? `once in ${plain(struck.state)}` : `at ${plain(struck.at ?? 0)} s`;
      const last = `last before it: step ${place + 1} of the plan, ${when}: ${fault}`;
      card.append(make("p", "step", printable(last, 400)));
    }
    return card;
  }));
  if (violations.length > 5) box.append(make("p", "aside", `and ${few(violations.length - 5, "more violation")}`));
}

function fillFacts() {
  const { run, client } = ui;
  $("who").textContent = [run.began.replace("T", " ").replace("+00:00", " UTC"), client.name].filter(Boolean)
    .map((one) => ` · ${printable(one, 80)}`).join("");
  const ups = client.lanes.filter((lane) => lane.up !== null).length;
  const faults = [...run.shared.marks, ...client.marks].filter((mark) => mark.cat === "fault").length;
  const counted = (n, name, kind) => [number(n), n === 1 ? name : `${name}s`, kind];
  const facts = [[clock(run.end, 0), run.plan ? "simulated" : "long"], counted(ups, "connection")];
  if (faults) facts.push(counted(faults, "fault"));
  facts.push(counted(run.told, "event"));
  if (run.violations.length) facts.push(counted(run.violations.length, "violation", "bad"));
  $("facts").replaceChildren(...facts.map(([value, name, kind]) => {
    const fact = make("div", kind);
    fact.append(make("dt", "", name), make("dd", "", value));
    return fact;
  }));
}

function fillPickers() {
  const option = (value, text, chosen) => {
    const element = make("option", "", text);
    element.value = String(value);
    element.selected = chosen;
    return element;
  };
  $("runs").hidden = runs.length < 2;
  $("run").replaceChildren(...runs.map((run, n) => {
    const what = run.violations.length ? `: ${run.violations[0].promise} not kept` : run.began ? `: ${run.began}` : "";
    return option(n, printable(`${run.number}${what}`, 60), run === ui.run);
  }));
  const clients = [...ui.run.clients.values()];
  $("clients").hidden = clients.length < 2;
  $("client").replaceChildren(...clients.map((client) => {
    const broken = ui.run.violations.some((one) => one.client === client.id) ? " (violation)" : "";
    return option(client.id, `${client.name ? printable(client.name, 60) : client.id}${broken}`, client === ui.client);
  }));
}

function fillLegend() {
  const counts = new Map();
  for (const { cat, count } of [...ui.client.marks, ...ui.run.shared.marks]) {
    counts.set(cat, (counts.get(cat) ?? 0) + count);
  }
  $("legend").replaceChildren(...Object.keys(CATS).filter((cat) => counts.has(cat)).map((cat) => {
    const item = make("li");
    const button = make("button");
    button.type = "button";
    button.setAttribute("aria-pressed", String(!ui.hidden.has(cat)));
    button.append(icon(cat, 16), make("span", "", CATS[cat]), make("span", "aside", number(counts.get(cat))));
    button.addEventListener("click", () => {
      if (!ui.hidden.delete(cat)) ui.hidden.add(cat);
      button.setAttribute("aria-pressed", String(!ui.hidden.has(cat)));
      stop();
      redraw(ALL);
    });
    item.append(button);
    return item;
  }));
}
