// The plot: axis, state, frames, faults, and a lane for each connection. What is where, and what lies under a pointer.

const REACH = 10;
const RIGHT = 14;
const FRAMES_OF = ["in", "out"];

class Plot {
  constructor(base, over) {
    this.base = base;
    this.over = over;
    this.width = 0;
    this.height = 0;
    this.rows = [];
  }

  /** Find a place for everything. */
  layout(ui) {
    const { run, client } = ui;
    this.width = Math.max(200, this.base.parentElement.clientWidth);
    this.gutter = this.width < 560 ? 54 : 84;
    this.faults = [...run.shared.marks, ...client.marks].filter(({ cat }) => cat === "fault" || cat === "violation");
    this.faults.sort((one, other) => one.t - other.t);
    let y = 0;
    const place = (height, gap = TALL.gap) => {
      const at = { y, height };
      y += height + gap;
      return at;
    };
    this.axis = place(TALL.axis, 2);
    this.state = place(TALL.state);
    this.frames = client.flows.length ? place(TALL.frames) : null;
    this.fault = this.faults.length ? place(TALL.faults, 6) : null;
    this.lanes = place(Math.max(TALL.lane, Math.min(TALL.lanes, client.lanes.length * TALL.lane)), 4);
    this.height = y;
  }

  x(t, view) {
    return this.gutter + ((t - view.a) / (view.b - view.a)) * (this.width - this.gutter - RIGHT);
  }

  t(x, view) {
    return view.a + ((x - this.gutter) / (this.width - this.gutter - RIGHT)) * (view.b - view.a);
  }

  /** The lanes that are in view, and how tall each is. */
  visible({ run, client, view }) {
    const inView = ({ from, up, until }) => (from ?? up ?? 0) <= view.b && (until ?? run.end) >= view.a;
    const seen = client.lanes.filter(inView);
    this.tall = Math.min(TALL.lane, this.lanes.height / Math.max(1, seen.length));
    this.place = new Map(seen.map((lane, n) => [lane.key, this.lanes.y + (n + 0.5) * this.tall]));
    return seen;
  }

  draw(ui) {
    const g = sized(this.base, this.width, this.height);
    this.drawAxis(g, ui);
    g.save();
    g.beginPath();
    g.rect(this.gutter - 1, 0, this.width - this.gutter - RIGHT + 2, this.height);
    g.clip();
    this.drawBands(g, ui);
    if (this.frames) this.drawFrames(g, ui);
    const lanes = this.visible(ui);
    for (const lane of lanes) this.drawLane(g, ui, lane);
    if (this.fault) this.drawFaults(g, ui);
    g.restore();
    g.save();
    g.beginPath();
    g.rect(this.gutter - REACH, 0, this.width - this.gutter - RIGHT + 2 * REACH, this.height);
    g.clip();
    this.drawMarks(g, ui);
    g.restore();
    this.drawNames(g, lanes);
  }

  drawAxis(g, { view, run, matches }) {
    const each = step(view.b - view.a, Math.max(2, (this.width - this.gutter) / (this.width < 560 ? 60 : 90)));
    const digits = each >= 1 ? 0 : each >= 0.1 ? 1 : each >= 0.01 ? 2 : 3;
    g.textAlign = "center";
    for (let t = Math.ceil(view.a / each) * each; t <= view.b; t += each) {
      const x = Math.round(this.x(t, view)) + 0.5;
      const label = clock(t, digits);
      const half = g.measureText(label).width / 2;
      g.fillStyle = colours.line;
      g.fillRect(x - 0.5, TALL.axis - 5, 1, this.height - TALL.axis);
      g.fillStyle = colours.muted;
      g.fillText(label, Math.min(Math.max(x, this.gutter + half), this.width - half - 1), TALL.axis / 2 - 3);
    }
    if (!matches) return;
    g.fillStyle = colours.accent;
    let before = -9;
    for (let n = lastAt(matches, view.a, (i) => run.rows[i][0]); n < matches.length; n += 1) {
      if (n < 0) continue;
      const x = Math.round(this.x(run.rows[matches[n]][0], view));
      if (x > this.width) break;
      if (x >= this.gutter && x > before + 1) g.fillRect(before = x, TALL.axis - 7, 2, 7);
    }
  }

  drawBands(g, { client, view, run }) {
    const { y, height } = this.state;
    const { bands } = client;
    let painted = -Infinity;
    g.textAlign = "left";
    for (let n = Math.max(0, lastAt(bands, view.a)); n < bands.length && bands[n].t <= view.b; n += 1) {
      const { state, t, many } = bands[n];
      const from = Math.max(this.gutter - 1, this.x(t, view));
      const until = Math.min(this.width, this.x(n + 1 < bands.length ? bands[n + 1].t : run.end, view));
      if (many) band(g, "other", from, y, Math.max(2, this.x(many, view) - from), height, true);
      if (until < painted + 0.5 && until - from < 1) continue;
      const begin = many ? Math.max(from, this.x(many, view)) : from;
      if (until > begin) band(g, state, begin, y, Math.max(1, until - begin), height, false);
      painted = until;
      if (until - begin < 30) continue;
      const small = this.width < 560;
      g.fillStyle = colours.ink;
      g.font = FONT.replace("12px", small ? "600 10px" : "600 11.5px");
      const pad = small ? 4 : 8;
      g.fillText(fitted(g, printable(state, 60), until - begin - 2 * pad + 2), begin + pad, y + height / 2 - 1);
      g.font = FONT;
    }
  }

  drawFrames(g, { client, view }) {
    const { y, height } = this.frames;
    const columns = Math.max(1, Math.round(this.width - this.gutter - RIGHT));
    const { out, back } = density(client.flows, view, columns);
    const rates = [...out, ...back].filter((rate) => rate > 0).sort((one, other) => one - other);
    // A short burst does not flatten all the rest: its bars are cut, and have a cap.
    const top = nice(Math.min(rates[rates.length - 1] ?? 0, 2 * (rates[Math.floor(rates.length * 0.97)] ?? 0)));
    const half = height / 2;
    for (const [some, colour, way] of [[back, colours.in, -1], [out, colours.out, 1]]) {
      for (let c = 0; c < columns; c += 1) {
        if (!(some[c] > 0)) continue;
        const tall = Math.min(half, Math.max(1, (some[c] / top) * (half - 2)));
        g.fillStyle = colour;
        g.fillRect(this.gutter + c, way < 0 ? y + half - tall : y + half, 1, tall);
        g.fillStyle = colours.ink;
        if (some[c] > top * 1.001) g.fillRect(this.gutter + c, way < 0 ? y : y + height - 2, 1, 2);
      }
    }
    g.fillStyle = colours.edge;
    g.fillRect(this.gutter, y + half - 0.5, columns, 1);
    g.fillStyle = colours.line;
    g.fillRect(this.gutter, y, columns, 1);
    g.font = FONT.replace("12px", "10.5px");
    g.textAlign = "right";
    const scale = `${number(top)}/s`;
    const wide = g.measureText(scale).width + 8;
    g.fillStyle = colours.ground;
    g.fillRect(this.width - RIGHT - wide, y + 1, wide, 15);
    g.fillStyle = colours.muted;
    g.fillText(scale, this.width - RIGHT - 4, y + 9);
    g.font = FONT;
  }

  drawLane(g, { run, view }, lane) {
    const y = this.place.get(lane.key);
    const tall = Math.max(1, Math.min(11, this.tall * 0.5));
    const at = (t) => this.x(t, view);
    const until = lane.until ?? run.end;
    const up = lane.up ?? until;
    const from = at(lane.from ?? up);
    if (up > (lane.from ?? up)) {
      g.fillStyle = colours.resuming;
      g.fillRect(from, y - tall / 4, Math.max(1, at(up) - from), Math.max(1, tall / 2));
      g.fillStyle = colours["resuming-line"];
      g.fillRect(from, y - tall / 2, 1, tall);
    }
    if (lane.up !== null) {
      const drain = Math.min(lane.drain ?? until, until);
      bar(g, "active", at(up), at(drain), y, tall);
      if (lane.drain !== null) bar(g, "draining", at(drain), at(until), y, tall);
    }
    if (this.tall < 18) return;
    const said = lane.verdict ? judged(lane.verdict) : lane.up === null ? lane.end || "being opened" : "";
    if (!said) return;
    g.font = FONT.replace("12px", "11.5px");
    g.fillStyle = colours.muted;
    const text = printable(said, 80);
    const width = g.measureText(text).width;
    const end = Math.max(at(until), from);
    g.textAlign = "left";
    const before = Math.min(from, this.width) - 14 - width;
    if (end + 16 + width < this.width - RIGHT) g.fillText(text, Math.max(end, this.gutter) + 14, y);
    else if (before > this.gutter) g.fillText(text, before, y);
    g.font = FONT;
  }

  drawFaults(g, { run, view }) {
    const { y, height } = this.fault;
    const over = run.rows.find(([, , , kind, what]) => kind === "fault" && what === "over");
    for (const mark of this.faults) {
      const seconds = mark.cat === "fault" ? run.rows[mark.i][5]?.seconds : 0;
      if (typeof seconds === "number" && seconds > 0) {
        const until = Math.min(mark.t + seconds, over?.[0] ?? run.end, run.end);
        g.globalAlpha = 0.22;
        g.fillStyle = colours.fault;
        g.fillRect(this.x(mark.t, view), y + 5, Math.max(1, this.x(until, view) - this.x(mark.t, view)), height - 10);
        g.globalAlpha = 1;
      }
      if (mark.cat === "violation") {
        g.fillStyle = colours.violation;
        g.fillRect(Math.round(this.x(mark.t, view)) - 1, this.axis.height, 2, this.height - this.axis.height);
      }
    }
    if (over) {
      g.strokeStyle = colours.edge;
      g.setLineDash([2, 3]);
      const x = Math.round(this.x(over[0], view)) + 0.5;
      line(g, [[x, y], [x, y + height]], 1);
      g.setLineDash([]);
    }
  }

  /** Where the mark is drawn; null if it is not. */
  where(mark, { view, hidden }) {
    if (hidden.has(mark.cat)) return null;
    const y = mark.cat === "fault" || mark.cat === "violation" ? this.fault && this.fault.y + this.fault.height / 2
      : mark.cat === "process" ? this.state.y + this.state.height / 2 : this.place.get(mark.lane) ?? null;
    const x = this.x(mark.t, view);
    return y === null || y === undefined || x < this.gutter - 1 || x > this.width - RIGHT + 1 ? null : [x, y];
  }

  drawMarks(g, ui) {
    const r = Math.max(2, Math.min(6.5, this.tall * 0.3));
    const last = new Map();
    const late = [];
    for (const marks of [ui.client.marks, ui.run.shared.marks]) {
      for (let n = Math.max(0, lastAt(marks, ui.view.a)); n < marks.length && marks[n].t <= ui.view.b; n += 1) {
        const at = this.where(marks[n], ui);
        if (!at) continue;
        const key = `${marks[n].cat}${at[1]}`;
        if (Math.abs((last.get(key) ?? -99) - at[0]) < Math.max(2, r * 0.8)) continue;
        last.set(key, at[0]);
        if (marks[n].cat === "handle") glyph(g, "handle", at[0], at[1], r * 0.85);
        else late.push([marks[n].cat, at]);
      }
    }
    // What matters most lies on top.
    const order = Object.keys(CATS).reverse();
    late.sort((one, other) => order.indexOf(one[0]) - order.indexOf(other[0]));
    for (const [cat, [x, y]] of late) glyph(g, cat, x, y, cat === "fault" || cat === "violation" ? 7 : r);
  }

  drawNames(g, lanes) {
    const right = this.gutter - 10;
    g.textAlign = "right";
    g.fillStyle = colours.muted;
    g.fillText("state", right, this.state.y + this.state.height / 2);
    if (this.frames) {
      const { y, height } = this.frames;
      FRAMES_OF.forEach((name, n) => {
        g.fillStyle = colours.muted;
        g.fillText(name, right, y + height * (n ? 0.72 : 0.28));
      });
    }
    if (this.fault) g.fillText("faults", right, this.fault.y + this.fault.height / 2);
    const every = Math.ceil(14 / this.tall);
    lanes.forEach((lane, n) => {
      if (n % every === 0) g.fillText(lane.name, right, this.place.get(lane.key));
    });
  }

  /** The line at the cursor, and what is pointed at. */
  drawOver(ui) {
    const g = sized(this.over, this.width, this.height);
    const { view, cursor, hover } = ui;
    if (hover && hover.x >= this.gutter) {
      g.fillStyle = colours.edge;
      g.fillRect(Math.round(hover.x), this.axis.height, 1, this.height);
    }
    const x = this.x(cursor.t, view);
    if (x >= this.gutter - 1 && x <= this.width - RIGHT + 1) {
      g.fillStyle = colours.cursor;
      g.fillRect(Math.round(x) - 1, this.axis.height - 6, 2, this.height);
      const label = clock(cursor.t, view.b - view.a < 20 ? 3 : 1);
      const half = g.measureText(label).width / 2 + 7;
      const middle = Math.min(Math.max(x, this.gutter + half - 4), this.width - half);
      g.beginPath();
      g.roundRect(middle - half, 1, half * 2, 19, 6);
      g.fill();
      g.fillStyle = colours.ground;
      g.textAlign = "center";
      g.fillText(label, middle, 11);
    }
    for (const mark of ui.pointed ?? []) {
      const at = this.where(mark, ui);
      if (!at) continue;
      g.strokeStyle = colours.cursor;
      g.lineWidth = 1.5;
      g.beginPath();
      g.arc(at[0], at[1], 10.5, 0, 7);
      g.stroke();
    }
  }

  /** What lies there: marks, a lane, a band, frames; or nothing. */
  hit(x, y, ui) {
    if (x < this.gutter - REACH || x > this.width || y < this.axis.height) return null;
    const { client, run, view } = ui;
    const t = this.t(x, view);
    const near = (REACH / (this.width - this.gutter - RIGHT)) * (view.b - view.a);
    let best = Infinity;
    let marks = [];
    for (const all of [client.marks, run.shared.marks]) {
      for (let n = lastAt(all, t - near) + 1; n < all.length && all[n].t <= t + near; n += 1) {
        const at = this.where(all[n], ui);
        if (!at || Math.abs(at[1] - y) > Math.max(REACH, this.tall / 2)) continue;
        const far = Math.round(Math.hypot(at[0] - x, at[1] - y));
        if (far < best - 3) marks = [];
        if (far <= best + 3) marks.push(all[n]);
        best = Math.min(best, far);
      }
    }
    if (marks.length) return { marks };
    const inside = (box) => box && y >= box.y && y < box.y + box.height;
    if (inside(this.state)) {
      const n = lastAt(client.bands, t);
      return n < 0 ? null : { band: client.bands[n], until: client.bands[n + 1]?.t ?? run.end };
    }
    if (inside(this.frames)) {
      const n = lastAt(client.flows, t, (flow) => flow[0]);
      return n >= 0 && client.flows[n][1] >= t ? { flow: client.flows[n] } : null;
    }
    const lane = client.lanes.find((one) => Math.abs((this.place.get(one.key) ?? -99) - y) <= this.tall / 2);
    return lane && (lane.from ?? lane.up) <= t && t <= (lane.until ?? run.end) ? { lane } : null;
  }
}

/** A piece of a connection's life. */
function bar(g, name, from, until, y, tall) {
  const width = Math.max(1, until - from);
  g.fillStyle = colours[name];
  g.fillRect(from, y - tall / 2, width, tall);
  if (tall < 4) {
    g.fillStyle = colours[`${name}-line`];
    g.fillRect(from, y - tall / 2, width, tall);
    return;
  }
  g.strokeStyle = colours[`${name}-line`];
  g.lineWidth = 1;
  g.strokeRect(from + 0.5, y - tall / 2 + 0.5, Math.max(0, width - 1), tall - 1);
}

/** The strip of the whole run, a row for each session, with what the plot shows of it. */
function drawOverview(plot, ui) {
  const clients = ui.run.clients.size ? [...ui.run.clients.values()] : [ui.client];
  const most = Math.max(1, Math.min(clients.length, 120));
  const tall = clients.length > 1 ? Math.max(1, Math.min(10, 120 / most)) : 14;
  const height = Math.ceil(tall * most) + 4;
  const canvas = document.createElement("canvas");
  const g = sized(canvas, plot.width, height);
  const whole = { a: 0, b: Math.max(ui.run.end, 1e-3) };
  for (let n = 0; n < most; n += 1) {
    const client = clients[Math.floor((n * clients.length) / most)];
    const y = 2 + n * tall;
    let painted = -Infinity;
    client.bands.forEach(({ t, state }, k) => {
      const from = plot.x(t, whole);
      const until = plot.x(k + 1 < client.bands.length ? client.bands[k + 1].t : ui.run.end, whole);
      if ((until < painted + 0.5 && until - from < 1) || !state) return;
      g.fillStyle = colours[`${hue(state)}-line`];
      g.globalAlpha = clients.length === 1 ? 0.6 : client === ui.client ? 1 : 0.45;
      g.fillRect(from, y, Math.max(1, until - from), Math.max(1, tall - (tall > 3 ? 1 : 0)));
      painted = until;
    });
    g.globalAlpha = 1;
    g.fillStyle = colours.violation;
    for (const mark of client.marks) {
      if (mark.cat === "violation") g.fillRect(plot.x(mark.t, whole) - 1.5, y - 1, 3, tall + 2);
    }
  }
  const [from, until] = [plot.x(ui.view.a, whole), plot.x(ui.view.b, whole)];
  g.fillStyle = colours.ground;
  g.globalAlpha = 0.72;
  g.fillRect(plot.gutter, 0, from - plot.gutter, height);
  g.fillRect(until, 0, plot.width - RIGHT - until, height);
  g.globalAlpha = 1;
  g.strokeStyle = colours.edge;
  g.strokeRect(from + 0.5, 0.5, Math.max(3, until - from - 1), height - 1);
  g.fillStyle = colours.muted;
  g.textAlign = "right";
  g.fillText("all", plot.gutter - 10, height / 2);
  return { canvas, height, whole, clients, tall, most };
}

/** Show the strip as it was drawn, with the cursor in it. */
function showOverview(canvas, plot, ui, { canvas: drawn, height, whole }) {
  const g = sized(canvas, plot.width, height);
  g.drawImage(drawn, 0, 0, plot.width, height);
  g.fillStyle = colours.cursor;
  g.fillRect(Math.round(plot.x(ui.cursor.t, whole)) - 1, 0, 2, height);
}
