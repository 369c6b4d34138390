// How things are said. Whatever comes from a trace goes through `printable` and into `textContent`, never into markup.

const ARROW = " → ";
const CATS = {
  violation: "promise broken", fault: "fault", lost: "connection lost", refused: "dial failed", goaway: "GoAway",
  replay: "resumed, with a replay", up: "connection up", handle: "handle", trouble: "trouble", process: "process",
};
const RTL = /[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Adlam}]/u;

/** A text without anything invisible, that does not reorder what stands around it. */
function printable(value, longest = 2000) {
  let text = typeof value === "string" ? value : String(value);
  if (text.length > longest) text = `${text.slice(0, longest)} …`;
  text = text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
  return RTL.test(text) ? `\u2068${text}\u2069` : text;
}

/** Seconds as a time: 4:29.520, or 1:04:29 of a long run, and finer if what is shown is short. */
function clock(t, digits = 3) {
  if (!Number.isFinite(t)) return "–";
  const sign = t < 0 ? "−" : "";
  const unit = 10 ** digits;
  const all = Math.round(Math.abs(t) * unit);
  const whole = Math.floor(all / unit);
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  const seconds = String(whole % 60).padStart(2, "0");
  const part = digits ? `.${String(all % unit).padStart(digits, "0")}` : "";
  const before = hours ? `${hours}:${String(minutes).padStart(2, "0")}` : minutes;
  return `${sign}${before}:${seconds}${part}`;
}

/** A duration in words: 340 ms, 12.3 s, 4 min 20 s, 2 h 5 min. */
function span(s) {
  if (!Number.isFinite(s)) return "–";
  if (s < 0.9995) return `${Math.round(s * 1000)} ms`;
  if (s < 99.95) return `${Math.round(s * 10) / 10} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${Math.round(s % 60)} s`.replace(" 60 s", " 59 s");
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

function number(n) {
  return typeof n === "number" ? n.toLocaleString("en") : printable(n, 40);
}

function few(n, one, more = `${one}s`) {
  return `${number(n)} ${n === 1 ? one : more}`;
}

function list(value) {
  return Array.isArray(value) ? value : [];
}

/** Details as text. */
function plain(data) {
  if (data === null || data === undefined) return "";
  if (typeof data === "string") return data;
  if (Array.isArray(data)) return data.filter((one) => one !== null && one !== "").map(plain).join(", ");
  if (typeof data === "object") {
    return Object.entries(data).map(([key, value]) => `${key} ${plain(value) || "none"}`).join(", ");
  }
  return String(data);
}

/** The states that a row leads from and to, or null. */
function ends(row) {
  const [, , , kind, what, data] = row;
  if (kind === "transition") {
    const [source, dest] = String(what).split(ARROW);
    return dest ? [source, dest] : null;
  }
  const [source, dest] = kind === "step" || kind === "states" ? list(data) : [];
  const texts = typeof source === "string" && typeof dest === "string";
  return texts && (source !== dest || kind === "states") ? [source, dest] : null;
}

/** A verdict in words. */
function judged(verdict) {
  const [kind, reason, replayed, dropped, uncertain] = list(verdict);
  const said = [plain(kind).replace(/_/g, " ") + (reason ? ` (${plain(reason)})` : "")];
  if (replayed > 0) said.push(`${few(replayed, "frame")} replayed`);
  if (uncertain > 0) said.push(`${number(uncertain)} of them perhaps doubled`);
  if (dropped > 0) said.push(`${few(dropped, "frame")} dropped`);
  return said.join(", ");
}

// For each kind a title and details, of what it is about, its details one by one, and as they are.
const SAYS = {
  step: (what, [, , waiting, kept, index]) => {
    const journal = typeof waiting === "number" ? `${waiting} waiting, ${kept} kept` : "";
    return [what, typeof index === "number" ? `${journal}, ${index} consumed` : journal];
  },
  transition: (what, [event, , , verdict]) => [what, `on ${plain(event)}${verdict ? `: ${judged(verdict)}` : ""}`],
  states: (what) => [what, "and others between"],
  notice: (what, [detail, seconds]) => {
    const word = what.replace(/_/g, " ");
    if (typeof seconds !== "number") return [word, plain(detail)];
    return [word, `${what === "go_away" ? `${span(seconds)} left` : span(seconds)} ${plain(detail)}`];
  },
  fault: (what, _, data) => (what === "over" ? ["faults are over", ""] : [`fault: ${what}`, plain(data)]),
  violation: (what, [sentence]) => [`${what} was not kept`, plain(sentence)],
  wrong: (what, _, data) => [`wrong: ${what}`, plain(data)],
  open: (what, [conn, handle]) => [
    `opens #${plain(conn)}, ${what === "resume" ? "to resume" : what}`, handle ? `from handle ${plain(handle)}` : "",
  ],
  up: (_, [conn]) => [`#${plain(conn)} is up`, ""],
  refused: (what, [conn, ...why]) => [`#${plain(conn)} is refused: ${what}`, plain(why)],
  gone: (_, why) => ["connection gone", plain(why)],
  left: (what) => ["connection left", what],
  read: (what, parts, data) => {
    if (what !== "sessionResumptionUpdate") return [`read: ${what}`, plain(data)];
    const [name, resumable, index] = parts;
    if (!name || !resumable) return ["read: an update without a handle", resumable ? "" : "not resumable now"];
    return [`read: handle ${plain(name)}`, plain(index) ? `covers ${plain(index)} frames` : ""];
  },
  heard: (what, _, data) => [`heard: ${what}`, plain(data)],
  made: (what) => [`made: ${what}`, "by relive, for the application"],
  sent: (what, [item, fate]) => [`sent: ${what}`, `number ${plain(item)}${fate === "ok" ? "" : `, ${plain(fate)}`}`],
  save: (what, [kept]) => [`saves handle ${what}`, kept === false ? "refused: somebody newer owns it" : ""],
  load: (what) => ["loads a handle", what || "there is none"],
  start: (what) => ["starts", what],
  session: (what, _, data) => ["session", plain([what, data])],
  crash: (what) => ["the process crashes", `in ${what}`],
  end: (what, why) => [`ends ${what}`, plain(why)],
  asked: (what) => ["asks the application how to go on", what],
};

/** What a row says: a title, and details. */
function told(row) {
  const [, , , kind, what, data, count] = row;
  const both = ends(row);
  const parts = Array.isArray(data) ? data : data === null || data === undefined ? [] : [data];
  let said = [`${kind}: ${what}`, plain(data)];
  if (kind === "step" && both) said = [both.join(ARROW), `on ${what}`];
  else if (Object.hasOwn(SAYS, kind)) said = SAYS[kind](String(what), parts, data);
  const title = count > 1 ? `${number(count)} × ${said[0]}` : said[0];
  return [printable(title, 200), printable(said[1], 600)];
}
