// What is drawn: the strip of the whole run, and the plot with its lanes. Sizes are CSS pixels; nothing here decides.

const TALL = { axis: 26, state: 34, frames: 68, faults: 26, gap: 10, lanes: 320, lane: 24 };
const FONT = '12px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif';
const STEPS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800,
  3600, 7200, 14400, 43200, 86400, 172800, 432000, 864000, 1728000];

const LEAST = 1; // seconds that frames are spread over: of less, a rate says nothing

let colours = {};

/** Read the colours anew: the theme has changed. */
function readColours() {
  const style = getComputedStyle(document.documentElement);
  colours = new Proxy({}, {
    get: (known, name) => (known[name] ??= style.getPropertyValue(`--${String(name)}`).trim() || "#888888"),
  });
}

function hue(state) {
  const name = String(state).toLowerCase().replace(/_/g, "-");
  return getKnown(name) ? name : "other";
}

const known = new Map();
function getKnown(name) {
  if (!known.has(name)) {
    const style = getComputedStyle(document.documentElement);
    known.set(name, /^[a-z-]+$/.test(name) && style.getPropertyValue(`--${name}-line`) !== "");
  }
  return known.get(name);
}

/** Make a canvas as large as it is shown, and return what draws on it. */
function sized(canvas, width, height) {
  const scale = window.devicePixelRatio || 1;
  canvas.style.height = `${height}px`;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const g = canvas.getContext("2d");
  g.setTransform(scale, 0, 0, scale, 0, 0);
  g.clearRect(0, 0, width, height);
  g.font = FONT;
  g.textBaseline = "middle";
  return g;
}

const SHAPES = {
  violation: (g, r) => { poly(g, 8, r * 1.15, Math.PI / 8); g.fill(); stamp(g, "!", r); },
  fault: (g, r) => {
    path(g, [[0.15, -1.2], [-0.75, 0.2], [-0.05, 0.2], [-0.2, 1.2], [0.75, -0.25], [0.05, -0.25]], r); g.fill();
  },
  goaway: (g, r) => {
    path(g, [[-0.6, -1.1], [0.95, -0.5], [-0.6, 0.15]], r); g.fill();
    line(g, [[-0.6, -1.1], [-0.6, 1.1]], r);
  },
  lost: (g, r) => {
    g.lineWidth = r / 2.2;
    line(g, [[-0.8, -0.8], [0.8, 0.8]], r); line(g, [[-0.8, 0.8], [0.8, -0.8]], r);
  },
  refused: (g, r) => { g.beginPath(); g.arc(0, 0, r * 0.9, 0, 7); g.stroke(); line(g, [[-0.6, 0.6], [0.6, -0.6]], r); },
  handle: (g, r) => { poly(g, 4, r, 0); g.fill(); },
  replay: (g, r) => {
    g.beginPath(); g.arc(0, 0, r * 0.8, -0.3, 4.6); g.stroke();
    path(g, [[1.25, -0.5], [0.3, -0.5], [0.8, 0.25]], r); g.fill();
  },
  trouble: (g, r) => { path(g, [[0, -0.95], [1, 0.8], [-1, 0.8]], r); g.stroke(); line(g, [[0, -0.3], [0, 0.25]], r); },
  process: (g, r) => { g.fillRect(-r * 0.75, -r * 0.75, r * 1.5, r * 1.5); },
  up: (g, r) => { g.beginPath(); g.arc(0, 0, r * 0.7, 0, 7); g.stroke(); },
};

function path(g, points, r) {
  g.beginPath();
  points.forEach(([x, y], n) => (n ? g.lineTo(x * r, y * r) : g.moveTo(x * r, y * r)));
  g.closePath();
}

function line(g, points, r) {
  g.beginPath();
  points.forEach(([x, y], n) => (n ? g.lineTo(x * r, y * r) : g.moveTo(x * r, y * r)));
  g.stroke();
}

function poly(g, sides, r, turn) {
  path(g, Array.from({ length: sides }, (_, n) => {
    const angle = turn + (n * 2 * Math.PI) / sides;
    return [Math.sin(angle), Math.cos(angle)];
  }), r);
}

function stamp(g, text, r) {
  g.fillStyle = colours.ground;
  g.font = `700 ${Math.round(r * 1.9)}px sans-serif`;
  g.textAlign = "center";
  g.fillText(text, 0, r * 0.1);
}

/** Draw a mark of a kind; around it a rim of the ground, so that marks that touch stay apart. */
function glyph(g, cat, x, y, r, ground = colours.ground) {
  g.save();
  g.translate(x, y);
  if (ground) {
    g.fillStyle = ground;
    g.beginPath();
    if (cat === "handle") poly(g, 4, r + 2, 0);
    else g.arc(0, 0, r * 1.25, 0, 7);
    g.fill();
  }
  g.fillStyle = g.strokeStyle = colours[cat];
  g.lineWidth = Math.max(1.2, r / 4);
  g.lineCap = g.lineJoin = "round";
  SHAPES[cat](g, r);
  g.restore();
}

/** Fill a band in a state's colour and pattern, so that states differ in more than their colour. */
function band(g, state, x, y, width, height, many) {
  const name = state ? hue(state) : "";
  if (!name) return;
  g.fillStyle = colours[name];
  g.fillRect(x, y, width, height);
  g.fillStyle = colours[`${name}-line`];
  g.fillRect(x, y + height - 3, width, 3);
  if (width > 2 && height > 10 && (many || name === "connecting" || name === "resuming" || name === "waiting")) {
    g.save();
    g.beginPath();
    g.rect(x, y, width, height - 3);
    g.clip();
    g.strokeStyle = colours[`${name}-line`];
    g.globalAlpha = 0.35;
    g.setLineDash(name === "waiting" && !many ? [2, 4] : []);
    const slope = name === "resuming" && !many ? -height : height;
    g.beginPath();
    for (let at = x - height - ((x - height) % 7); at < x + width + height; at += 7) {
      g.moveTo(at, y + height);
      g.lineTo(at + slope, y);
      if (many) {
        g.moveTo(at, y + height);
        g.lineTo(at - height, y);
      }
    }
    g.stroke();
    g.restore();
  }
}

/** A tick distance that leaves room for labels. */
function step(length, most) {
  return STEPS.find((s) => length / s <= most) ?? 10 ** Math.ceil(Math.log10(length / most));
}

/** How many frames flowed, for each column of pixels: per second, out and in. */
function density(flows, view, columns) {
  const out = new Float64Array(columns);
  const back = new Float64Array(columns);
  const each = (view.b - view.a) / columns;
  const begin = Math.max(0, lastAt(flows, view.a, (flow) => flow[0]));
  for (let n = begin; n < flows.length && flows[n][0] < view.b; n += 1) {
    const [from, until, , , written, read] = flows[n];
    const length = Math.max(until - from, each, LEAST);
    const first = Math.max(0, Math.floor((from - view.a) / each));
    const last = Math.min(columns - 1, Math.floor((from + length - view.a) / each));
    for (let c = first; c <= last; c += 1) {
      const since = Math.max(from, view.a + c * each);
      const share = Math.max(0, Math.min(from + length, view.a + (c + 1) * each) - since) / length / each;
      out[c] += written * share;
      back[c] += read * share;
    }
  }
  return { out, back };
}

/** A number at or above `value` that is easy to read. */
function nice(value) {
  if (!(value > 0)) return 1;
  const unit = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((n) => n * unit >= value * 0.999) * unit;
}

/** A text, cut to a width. */
function fitted(g, text, width) {
  if (g.measureText(text).width <= width) return text;
  for (let n = text.length - 1; n > 3; n -= 1) {
    const cut = `${text.slice(0, n)}…`;
    if (g.measureText(cut).width <= width) return cut;
  }
  return "";
}
