"use strict";
// A table that sorts, and shows more of its places as one scrolls, so that ten thousand rows are no more work than sixty.
// Texts from anywhere go in as text, never as markup.

const AT_A_TIME = 60;

function element(name, text, attributes = {}) {
  const node = document.createElement(name);
  if (text !== undefined && text !== null) node.textContent = text;
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

class LazyTable {
  // columns: {name, label, help, text?, value(place), cell?(place)}; the first one marked `head` names the line.
  constructor(section, columns, caption) {
    this.columns = columns;
    this.places = [];
    this.shown = 0;
    this.by = null;
    this.descending = false;
    this.onSort = () => {};
    const table = section.querySelector("table");
    table.append(element("caption", caption, { class: "quiet" }), document.createElement("thead"));
    this.body = table.appendChild(document.createElement("tbody"));
    this.more = section.querySelector(".more");
    this.scroller = section.querySelector(".scroll");
    this.scroller.addEventListener("scroll", () => {
      const below = this.scroller.scrollHeight - this.scroller.scrollTop - this.scroller.clientHeight;
      if (below < this.scroller.clientHeight && this.shown < this.places.length) this.renderMore();
    });
    const heading = table.tHead.insertRow();
    for (const column of columns) {
      const th = element("th", null, { scope: "col", title: column.help });
      th.classList.toggle("number", !column.text);
      th.classList.toggle("name", Boolean(column.head));
      if (column.value) {
        th.setAttribute("aria-sort", "none");
        const button = th.appendChild(element("button", column.label, { type: "button" }));
        button.addEventListener("click", () => this.sortBy(column));
      } else {
        th.textContent = column.label;
      }
      column.th = th;
      heading.append(th);
    }
  }

  // Numbers begin with the largest, texts and ranks with the first; a second time turns the order round.
  sortBy(column) {
    this.descending = this.by === column ? !this.descending : !column.text && !column.smallestFirst;
    this.by = column;
    this.sort();
    this.render();
    this.onSort();
  }

  show(places) {
    this.places = places;
    this.sort();
    this.render();
  }

  // Places without a value come last in either order; equal ones stay in the order of the leaderboard.
  sort() {
    for (const column of this.columns) {
      if (column.value) column.th.setAttribute("aria-sort", "none");
    }
    if (!this.by) return;
    this.by.th.setAttribute("aria-sort", this.descending ? "descending" : "ascending");
    const sign = this.descending ? -1 : 1;
    const keys = [];
    for (const place of this.places) {
      const value = this.by.value(place) ?? null;
      keys[place] = typeof value === "string" ? value.toLowerCase() : value;
    }
    this.places = [...this.places].sort((a, b) => {
      const left = keys[a];
      const right = keys[b];
      if (left === null || right === null) return (left === null) - (right === null) || a - b;
      if (left < right) return -sign;
      return left > right ? sign : a - b;
    });
  }

  render() {
    this.body.replaceChildren();
    this.scroller.scrollTop = 0;
    this.shown = 0;
    this.renderMore();
  }

  renderMore() {
    const part = document.createDocumentFragment();
    for (const place of this.places.slice(this.shown, this.shown + AT_A_TIME)) part.append(this.row(place));
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

  row(place) {
    const tr = document.createElement("tr");
    for (const column of this.columns) {
      const td = document.createElement(column.head ? "th" : "td");
      if (column.head) td.scope = "row";
      if (!column.text) td.className = "number";
      const content = column.cell ? column.cell(place) : column.value(place);
      if (content instanceof Node) td.append(content);
      else if (content !== null && content !== undefined) td.textContent = content;
      if (column.head) td.title = td.textContent;
      tr.append(td);
    }
    return tr;
  }
}

// Columns

function fixed(value, digits) {
  return value === null || value === undefined ? "" : value.toFixed(digits);
}

function number(name, label, digits, help, value, more = {}) {
  return { name, label, help, value, cell: (place) => fixed(value(place), digits), ...more };
}

function withInterval(name, label, digits, help, value) {
  const cell = (place) => {
    const [middle, low, high] = [value(name, place), value(`${name}_ci_low`, place), value(`${name}_ci_high`, place)];
    const part = document.createDocumentFragment();
    part.append(fixed(middle, digits));
    if (low !== null && low !== undefined) part.append(" ", element("small", `[${fixed(low, digits)}, ${fixed(high, digits)}]`));
    return part;
  };
  return { name, label, help, value: (place) => value(name, place), cell };
}

function text(name, label, help, value, more = {}) {
  return { name, label, help, value, text: true, ...more };
}
