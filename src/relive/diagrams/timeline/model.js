// What happened, from rows as a trace has them. Rows can be added while the page is open: the live page does so.

const OPENING = new Set(["CONNECTING", "RESUMING"]);
const LIVE = new Set(["ACTIVE", "DRAINING"]);
const CUT = new Set(["IDLE", "WAITING", "HANDLE_EXPIRED", "CLOSED", "FAILED", ""]);
const QUIET = new Set(["dialled", "go_away", "saved", "lost", "failed"]);
const STRETCH = 10;

/** The place of the last element that is not after `t`; -1 if all are. */
function lastAt(items, t, of = (item) => item.t) {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (of(items[middle]) <= t) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** One session: its states as bands, its connections as lanes, its marks, and how many frames flowed when. */
class Client {
  constructor(id, name) {
    this.id = id;
    this.name = name;
    this.bands = [];
    this.lanes = [];
    this.lane = new Map();
    this.marks = [];
    this.flows = [];
    this.stepping = false;
    this.reading = false;
    this.refusing = false;
    this.state = "";
    this.live = false;
    this.conn = 0;
    this.life = 1;
  }

  /** Whether frames flow in a state. One of an embedder's own is taken for such if they did before, or now may. */
  flowing(state, event) {
    if (LIVE.has(state) || OPENING.has(state) || CUT.has(state)) return LIVE.has(state);
    return this.live || event.startsWith("ConnectionOpened");
  }

  /** The lane of a connection: numbers begin anew in each process. */
  laneOf(conn) {
    const key = this.key(conn);
    let lane = this.lane.get(key);
    if (!lane) {
      const name = this.life > 1 ? `#${this.life}.${conn}` : `#${conn}`;
      lane = { key, conn, name, from: null, up: null, drain: null, until: null, verdict: null, end: "" };
      this.lane.set(key, lane);
      this.lanes.push(lane);
    }
    return lane;
  }

  key(conn) {
    return `${this.life}.${conn}`;
  }

  /** The session came into a state. */
  enter(t, i, source, state, event, conn, until) {
    if (!this.bands.length && source) this.bands.push({ t, i, state: source, source: "", event: "", conn: 0, many: 0 });
    this.bands.push({ t, i, state, source, event, conn, many: until > t ? until : 0 });
    const before = this.state;
    const live = this.flowing(state, event);
    if (this.live && !live) this.close(this.conn, t, event);
    else if (OPENING.has(before) && !live && !OPENING.has(state)) this.fail(t);
    this.state = state;
    this.live = live;
    if (OPENING.has(state)) this.dial(conn, t);
    if (live && conn > 0) {
      const lane = this.laneOf(conn);
      lane.from ??= this.bands.length > 1 && OPENING.has(before) ? this.bands[this.bands.length - 2].t : t;
      lane.up ??= t;
      if (state === "DRAINING") lane.drain ??= t;
      this.conn = conn;
    }
  }

  /** While a connection is being opened: it has this number, unless that is still the one before. */
  dial(conn, t) {
    if (conn > 0 && OPENING.has(this.state) && !this.lane.has(this.key(conn))) this.laneOf(conn).from = t;
  }

  close(conn, t, how) {
    const lane = this.lane.get(this.key(conn));
    if (lane && lane.until === null) Object.assign(lane, { until: t, end: how });
  }

  fail(t) {
    const lane = this.lanes[this.lanes.length - 1];
    if (lane && lane.up === null && lane.until === null) Object.assign(lane, { until: t, end: "failed" });
  }

  mark(t, until, i, cat, conn, count, verdict = null) {
    const mark = { t, until, i, cat, lane: this.key(conn), conn, count, verdict };
    if (!this.marks.length || this.marks[this.marks.length - 1].t <= t) this.marks.push(mark);
    else this.marks.splice(lastAt(this.marks, t) + 1, 0, mark);
  }
}

/** One run: of a simulation, or of a process. */
class Run {
  constructor({ number: place, plan, began, clients, rows, flows, end, told: all }) {
    this.number = place;
    this.plan = plan ?? null;
    this.began = began ?? "";
    this.told = all ?? 0;
    this.end = 0;
    this.rows = [];
    this.clients = new Map();
    this.shared = new Client(-1, "all");
    this.violations = [];
    this.cats = new Map();
    for (const [id, name] of clients ?? []) this.client(id).name = name;
    for (const row of rows ?? []) this.add(row);
    for (const flow of flows ?? []) this.client(flow[2]).flows.push(flow);
    this.end = Math.max(this.end, end ?? 0);
  }

  client(id) {
    if (id < 0) return this.shared;
    let client = this.clients.get(id);
    if (!client) {
      client = new Client(id, "");
      this.clients.set(id, client);
    }
    return client;
  }

  /** Something happened, not before anything that was added. */
  add(row) {
    const [t, id, conn, kind, what, data, count = 1, until = t] = row;
    const client = this.client(id);
    if (kind === "flow") {
      this.flow(client, t, list(data));
      return;
    }
    this.end = Math.max(this.end, until);
    const i = this.rows.push(row) - 1;
    const both = ends(row);
    if (both && (kind !== "transition" || !client.stepping)) {
      if (kind !== "transition") client.stepping = true;
      const event = kind === "transition" ? list(data)[0] : kind === "step" ? what : "";
      client.enter(t, i, both[0], both[1], plain(event), conn, until);
    } else if (kind === "step" || kind === "open") client.dial(conn, t);
    this.note(client, i, row, t, until, count);
  }

  /** Give a row its mark, if it has one. */
  note(client, i, row, t, until, count) {
    const [, , conn, kind, what, data] = row;
    const mark = (cat, lane = client.conn, verdict = null) => {
      client.mark(t, until, i, cat, lane, count, verdict);
      this.cats.set(i, cat);
    };
    if (kind === "violation") {
      this.violations.push({ i, t, client: row[1], promise: what, sentence: list(data)[0], step: list(data)[1] });
      mark("violation", 0);
    } else if (kind === "fault") {
      if (what !== "over") mark("fault", 0);
    } else if (kind === "transition") {
      const verdict = list(data)[3];
      if (!verdict) return;
      const up = list(data)[1] || conn;
      if (client.lane.has(client.key(up))) client.laneOf(up).verdict = verdict;
      mark(verdict[2] > 0 ? "replay" : "up", up, verdict);
    } else if (kind === "read" && what === "sessionResumptionUpdate") {
      client.reading = true;
      if (list(data)[0] && list(data)[1]) mark("handle");
    } else if (kind === "refused") {
      client.refusing = true; // a real session tells of it in a notice alone, which may come when the next is dialled
      mark("refused", list(data)[0] ?? conn);
    } else if (kind === "notice") this.notice(client, what, list(data).length ? list(data)[0] : data, conn, mark);
    else if (kind === "crash") {
      client.enter(t, i, client.state, "", "crash", conn, t);
      mark("process");
    } else if (kind === "start" && client.bands.length) {
      for (const lane of client.lanes) lane.until ??= t;
      client.life += 1;
      client.conn = 0;
      client.enter(t, i, "", "IDLE", "start", 0, t);
    }
    if (kind === "asked" || kind === "condemn" || kind === "wrong") mark("trouble");
  }

  notice(client, what, detail, conn, mark) {
    if (what === "go_away") mark("goaway");
    else if (what === "lost") mark("lost");
    else if (what === "failed") mark("lost");
    else if (what === "dialled") {
      if (detail && !client.refusing) mark("refused", conn);
    } else if (what === "saved") {
      if (!client.reading) mark("handle");
    } else if (!QUIET.has(what)) mark("trouble");
  }

  /** Frames of some seconds. How many seconds it was is known when the next ones are told, if nobody says. */
  flow(client, t, [sent, written, read, delivered, waiting, kept, seconds]) {
    const before = client.flows[client.flows.length - 1];
    if (before) before[1] = Math.max(Math.min(before[1], t), before[0]);
    client.flows.push([t, t + (seconds ?? STRETCH), client.id, sent, written, read, delivered, waiting, kept]);
    this.end = Math.max(this.end, t + (seconds ?? 0));
  }
}

/** Whether the stretch at place `f` says how frames flow at `t`. At the end the newest does, until the next is told. */
function flows(run, { flows: all }, f, t) {
  const [from, until] = all[f];
  const newest = f + 1 === all.length && run.end <= until + 2 * Math.max(until - from, 1);
  return t <= until || newest;
}

/** How the session stood after row `i`, at time `t`. */
function standing(run, client, t, i) {
  const b = lastAt(client.bands, i, (band) => band.i);
  const band = b < 0 ? null : client.bands[b];
  const f = lastAt(client.flows, t, (flow) => flow[0]);
  const flow = f < 0 || !flows(run, client, f, t) ? null : client.flows[f];
  const l = lastAt(client.lanes, t, (lane) => lane.from ?? Infinity);
  let journal = flow ? [flow[7], flow[8]] : null;
  for (let k = i, far = 0; k >= 0 && far < 400; k -= 1, far += 1) {
    const [, id, , kind, , data] = run.rows[k];
    if (id === client.id && kind === "step" && typeof list(data)[2] === "number") {
      journal = [data[2], data[3]];
      break;
    }
  }
  const marks = client.marks;
  let handle = null;
  for (let k = lastAt(marks, t); k >= 0 && !handle; k -= 1) {
    if (marks[k].cat === "handle" && marks[k].i <= i) handle = marks[k];
  }
  return { band, flow, journal, handle, lane: l < 0 ? null : client.lanes[l] };
}
