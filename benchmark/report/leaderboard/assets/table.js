"use strict";
// A table that sorts, and shows more of its places as one scrolls, so that ten thousand rows are no more work than sixty.
// Texts from anywhere go in as text, never as markup.

const AT_A_TIME = matchMedia("(max-width: 40rem)").matches ? 15 : 60;

function element(name, text, attributes = {}) {
  const node = document.createElement(name);
  if (text !== undefined && text !== null) node.textContent = text;
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

class LazyTable {
  // columns: as the data have them; value(name, place): of a place; onSort: called after a click on a heading.
  constructor(section, columns, value, onSort) {
    this.columns = columns;
    this.value = value;
    this.onSort = onSort;
    this.further = new Set();
    this.places = [];
    this.shown = 0;
    this.order = "";
    this.table = section.querySelector("table");
    this.caption = element("caption");
    this.head = document.createElement("thead");
    this.body = document.createElement("tbody");
    this.table.replaceChildren(this.head, this.body);
    this.more = section.querySelector(".more");
    this.scroller = section.querySelector(".scroll");
    this.scroller.addEventListener("scroll", () => {
      const below = this.scroller.scrollHeight - this.scroller.scrollTop - this.scroller.clientHeight;
      if (below < this.scroller.clientHeight && this.shown < this.places.length) this.renderMore();
    });
  }

  get visible() {
    return this.columns.filter(({ key, name }) => key || this.further.has(name));
  }

  // Numbers begin with the largest, texts and ranks with the first; a second time turns the order round.
  turn({ name, kind }) {
    const first = kind === "number" || kind === "size" || kind === "dot" ? `-${name}` : name;
    this.order = this.order === first ? (first === name ? `-${name}` : name) : first;
    this.show(this.places);
    this.onSort(this.order);
    // The heading is a new one.
    this.head.querySelector(`[data-name="${CSS.escape(name)}"] button`)?.focus();
  }

  show(places) {
    this.places = this.sorted(places);
    this.renderHead();
    this.body.replaceChildren();
    this.scroller.scrollTop = 0;
    this.shown = 0;
    this.renderMore();
  }

  // Places without a value come last in either order; equal ones stay in the order of the leaderboard.
  sorted(places) {
    const name = this.order.replace(/^-/, "");
    if (!this.columns.some((column) => column.name === name)) return [...places].sort((a, b) => a - b);
    const sign = this.order.startsWith("-") ? -1 : 1;
    const keys = [];
    for (const place of places) {
      const value = this.value(name, place);
      keys[place] = typeof value === "string" ? value.toLowerCase() : value;
    }
    return [...places].sort((a, b) => {
      const left = keys[a];
      const right = keys[b];
      if (left === null || right === null) return (left === null) - (right === null) || a - b;
      if (left < right) return -sign;
      return left > right ? sign : a - b;
    });
  }

  renderHead() {
    const heading = document.createElement("tr");
    for (const column of this.visible) {
      const sorted = { [column.name]: "ascending", [`-${column.name}`]: "descending" }[this.order] ?? "none";
      const th = element("th", null, {
        scope: "col", title: column.help, class: sideOf(column), "aria-sort": sorted, "data-name": column.name,
      });
      const button = th.appendChild(element("button", column.title, { type: "button" }));
      button.addEventListener("click", () => this.turn(column));
      heading.append(th);
    }
    this.head.replaceChildren(heading);
  }

  renderMore() {
    const part = document.createDocumentFragment();
    const visible = this.visible;
    for (const place of this.places.slice(this.shown, this.shown + AT_A_TIME)) part.append(this.row(visible, place));
    this.body.append(part);
    this.shown = Math.min(this.shown + AT_A_TIME, this.places.length);
    this.more.replaceChildren(`${this.shown} of ${this.places.length} `);
    const left = this.places.length - this.shown;
    if (left > 0) {
      const button = element("button", `${Math.min(left, AT_A_TIME)} more`, { type: "button" });
      button.addEventListener("click", () => {
        const first = this.shown;
        this.renderMore();
        // The button is gone; the keyboard goes on where the new rows begin.
        this.scroller.focus({ preventScroll: true });
        this.body.rows[first]?.scrollIntoView({ block: "nearest" });
      });
      this.more.append(button);
    }
  }

  row(visible, place) {
    const tr = document.createElement("tr");
    for (const column of visible) {
      if (column.kind === "model") {
        tr.append(modelCell(this.value, place));
        continue;
      }
      const td = element("td", null, { class: sideOf(column), "data-title": column.title });
      td.append(...contentOf(column, this.value, place));
      tr.append(td);
    }
    return tr;
  }
}

function sideOf({ kind }) {
  return kind === "text" || kind === "model" || kind === "file" ? "words" : kind;
}

function modelCell(value, place) {
  const th = element("th", null, { scope: "row" });
  const colour = value("colour", place);
  if (colour) {
    const mark = th.appendChild(element("i", null, { class: "family" }));
    mark.style.setProperty("--family", `var(--c-${colour})`);
  }
  const label = value("line", place);
  th.append(element("a", label, { href: `#model=${encodeURIComponent(label)}` }));
  th.append(element("small", value("summary", place)));
  return th;
}

function contentOf(column, value, place) {
  const { name, kind, digits } = column;
  const own = value(name, place);
  if (own === null || own === undefined) return [];
  if (kind === "file") return [element("a", "JSON", { href: data.results + own })];
  if (kind === "size") return [billions(own)];
  if (kind === "rank") {
    const [best, worst] = [value(`${name}_best`, place) ?? own, value(`${name}_worst`, place) ?? own];
    return [best === worst ? `${best}` : `${best}–${worst}`];
  }
  if (kind === "text") return [`${own}`];
  const low = column.interval ? value(`${name}_ci_low`, place) : null;
  const high = column.interval ? value(`${name}_ci_high`, place) : null;
  const interval = low === null || high === null ? [] : [" ", element("small", `[${fixed(low, digits)}, ${fixed(high, digits)}]`)];
  const dot = kind === "dot" ? [dotPlot(own, low, high, value("skip_ratio_chance", place), value("colour", place))] : [];
  return [...dot, fixed(own, digits), ...interval];
}

function fixed(value, digits) {
  return value.toFixed(digits);
}

function billions(parameters) {
  return `${Number((parameters / 1e9).toPrecision(3))} B`;
}

// The skip ratio on its interval in the colour of the family, with chance as a tick; percentages fit any width.
function dotPlot(value, low, high, chance, colour) {
  const svg = drawn("svg", { class: "dot", "aria-hidden": "true" });
  if (colour) svg.style.setProperty("--family", `var(--c-${colour})`);
  const at = (number) => `${((100 * number) / data.scale).toFixed(2)}%`;
  svg.append(drawn("line", { class: "track", x1: 0, x2: "100%", y1: 8, y2: 8 }));
  if (chance !== null) svg.append(drawn("line", { class: "chance", x1: at(chance), x2: at(chance), y1: 3, y2: 13 }));
  if (low !== null && high !== null) svg.append(drawn("line", { x1: at(low), x2: at(high), y1: 8, y2: 8 }));
  svg.append(drawn("circle", { cx: at(value), cy: 8, r: 3.5 }));
  return svg;
}

function drawn(name, attributes) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}
