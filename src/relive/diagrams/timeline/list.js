// The list of events: only what can be seen of it is in the page, however long it is.

const LINE = 26;
const SPARE = 6;
const USUAL = new Set(["step", "heard", "made", "sent"]);
const FARTHEST = 8e6; // no browser lays out an element much taller than that

class List {
  constructor(box, rows, chosen) {
    this.box = box;
    this.rows = rows;
    this.order = [];
    this.here = -1;
    this.chosen = chosen;
    this.shown = new Map();
    this.run = null;
    box.addEventListener("scroll", () => this.paint(), { passive: true });
    rows.addEventListener("click", (event) => {
      const line = event.target.closest(".row");
      if (line) chosen(Number(line.dataset.i));
    });
  }

  /** Show these rows of a run, by their places. */
  show(run, order) {
    this.run = run;
    this.order = order;
    this.scale = Math.max(1, (order.length * LINE) / FARTHEST);
    this.rows.style.height = `${Math.ceil((order.length * LINE) / this.scale)}px`;
    this.rows.style.position = "relative";
    this.box.setAttribute("aria-rowcount", String(order.length));
    this.clear();
    this.paint();
  }

  clear() {
    this.shown.clear();
    this.rows.replaceChildren();
  }

  /** Light the row at place `i` of the run, or the last before it, and bring it into view. */
  go(i) {
    const at = lastAt(this.order, i, (place) => place);
    const before = this.here;
    this.here = at < 0 ? -1 : this.order[at];
    const top = (Math.max(0, at) * LINE) / this.scale;
    const room = this.box.clientHeight;
    if (top < this.box.scrollTop + LINE || top > this.box.scrollTop + room - 3 * LINE) {
      this.box.scrollTop = Math.max(0, top - room * 0.4);
    }
    if (before !== this.here) this.paint();
  }

  paint() {
    if (!this.run) return;
    const { order } = this;
    const first = Math.max(0, Math.floor((this.box.scrollTop * this.scale) / LINE) - SPARE);
    const last = Math.min(order.length, first + Math.ceil(this.box.clientHeight / LINE) + 2 * SPARE);
    const offset = this.scale > 1 ? this.box.scrollTop - (this.box.scrollTop * this.scale) : 0;
    const wanted = new Set();
    for (let n = first; n < last; n += 1) wanted.add(order[n]);
    for (const [i, line] of this.shown) {
      if (!wanted.has(i)) {
        line.remove();
        this.shown.delete(i);
      }
    }
    for (let n = first; n < last; n += 1) {
      const i = order[n];
      let line = this.shown.get(i);
      if (!line) {
        line = this.line(i, n);
        this.shown.set(i, line);
        this.rows.append(line);
      }
      line.style.transform = `translateY(${n * LINE + offset}px)`;
      line.classList.toggle("here", i === this.here);
      line.classList.toggle("later", i > this.here && this.here >= 0);
      if (i === this.here) line.setAttribute("aria-current", "true");
      else line.removeAttribute("aria-current");
    }
  }

  line(i, n) {
    const row = this.run.rows[i];
    const [title, detail] = told(row);
    const line = make("div", "row");
    line.dataset.i = String(i);
    line.setAttribute("role", "row");
    line.setAttribute("aria-rowindex", String(n + 1));
    if (ends(row)) line.classList.add("change");
    else if (USUAL.has(row[3])) line.classList.add("quiet");
    const when = clock(row[0], this.run.end < 3600 ? 3 : this.run.end < 360000 ? 1 : 0);
    const said = [["time", when], ["sign", ""], ["title", title], ["detail", detail]];
    const cells = said.map((one) => make("span", ...one));
    for (const cell of cells) cell.setAttribute("role", "cell");
    const cat = this.run.cats.get(i);
    if (cat) cells[1].append(icon(cat, 14));
    line.append(...cells);
    return line;
  }
}

/** An element with a text; whatever the text says, it is only a text. */
function make(name, kind = "", text = "") {
  const element = document.createElement(name);
  if (kind) element.className = kind;
  if (text) element.textContent = text;
  return element;
}

/** A small picture of a kind of mark. */
function icon(cat, size) {
  const canvas = document.createElement("canvas");
  canvas.setAttribute("aria-hidden", "true");
  const scale = Math.max(2, window.devicePixelRatio || 1);
  canvas.width = canvas.height = size * scale;
  const g = canvas.getContext("2d");
  g.scale(scale, scale);
  glyph(g, cat, size / 2, size / 2, size * 0.36, null);
  return canvas;
}
