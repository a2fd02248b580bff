"use strict";
// The wires between filters, tables, pictures, lens, cards and the address.

const FILTERS = ["text", "architecture", "stage", "family", "size", "dtype", "workload"];
const filters = document.getElementById("filters");
const modelTable = new LazyTable(document.getElementById("models"), data.columns.lines, ofLine, (order) => note("sort", order));
const rowTable = new LazyTable(document.getElementById("rows"), data.columns.rows, ofRow, (order) => note("rowsort", order));

function note(name, value) {
  state[name] = value;
  writeAddress();
}

function offer(name, values, all) {
  const select = filters.elements[name];
  select.append(element("option", all, { value: "" }));
  for (const value of values) select.append(element("option", value, { value }));
}

function wordsOf(values) {
  return [...new Set(values.filter((value) => value !== null))].sort();
}

function showTables() {
  const further = new Set(state.columns.split(",").filter(Boolean));
  [modelTable.further, rowTable.further] = [further, further];
  [modelTable.order, rowTable.order] = [state.sort, state.rowsort];
  const [shown, rowsShown] = [shownLines(), shownRows()];
  modelTable.show(shown);
  rowTable.show(rowsShown);
  const of = state.workload ? `on ${state.workload}` : "means over workloads";
  const all = shown.length < lines.line.length ? "; sentences, fits and files of pictures are about all models" : "";
  document.getElementById("shown").textContent =
    `models: ${shown.length} of ${lines.line.length} (${of}); rows: ${rowsShown.length} of ${rows.line.length}${all}`;
}

function offerColumns() {
  const box = document.querySelector("#columns fieldset");
  const further = [...data.columns.lines, ...data.columns.rows].filter(({ key }) => !key);
  for (const name of new Set(further.map((column) => column.name))) {
    const { title, help } = further.find((column) => column.name === name);
    const label = element("label", null, { title: help });
    label.append(element("input", null, { type: "checkbox", value: name }), title);
    box.append(label);
  }
  box.addEventListener("input", (event) => {
    event.stopPropagation();
    state.columns = [...box.querySelectorAll("input:checked")].map(({ value }) => value).join(",");
    writeAddress();
    showTables();
  });
}

// Everything as the state has it.
function showAll() {
  for (const name of FILTERS) filters.elements[name].value = state[name];
  const further = new Set(state.columns.split(","));
  for (const box of document.querySelectorAll("#columns input")) box.checked = further.has(box.value);
  showTables();
  showLenses();
  refreshFigures();
  if (state.model) openCard();
  else if (state.at) document.getElementById(state.at)?.scrollIntoView();
}

// Go to a card or to a section, and keep all else that is chosen.
function go(where) {
  Object.assign(state, { model: "", at: "" }, where);
  writeAddress("pushState");
  if (state.model) openCard();
  else document.getElementById(state.at)?.scrollIntoView();
}

offer("architecture", wordsOf(lines.architecture), "all");
offer("stage", wordsOf(lines.stage), "all");
offer("family", wordsOf(lines.family), "all");
offer("size", BANDS.map(([name]) => name), "all");
offer("dtype", wordsOf(lines.dtype), "all");
offer("workload", wordsOf(rows.workload), "mean over workloads");
offerColumns();
filters.addEventListener("input", (event) => {
  note(event.target.name, event.target.value);
  showTables();
  refreshFigures();
});
filters.addEventListener("reset", () => {
  for (const name of [...FILTERS, "sort", "rowsort", "columns"]) state[name] = "";
  writeAddress();
  showAll();
});
lensForm.addEventListener("input", (event) => {
  note(event.target.name, event.target.value);
  showLenses();
});
for (const form of [filters, lensForm]) form.addEventListener("submit", (event) => event.preventDefault());
lensForm.hidden = !data.lenses.length;
const choiceBox = document.getElementById("choices");
choiceBox.hidden = false;
choiceBox.open = !narrow.matches;
document.addEventListener("click", (event) => {
  const address = event.target.closest("a[href^='#']")?.getAttribute("href").slice(1);
  if (address === undefined || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const model = new URLSearchParams(address).get("model");
  go(model === null ? { at: address } : { model });
});
addEventListener("hashchange", () => {
  readAddress();
  showAll();
});
watchFigures();
readAddress();
showAll();
