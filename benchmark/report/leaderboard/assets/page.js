"use strict";
// The wires between filters, tables, pictures and the address.

const modelTable = new LazyTable(document.getElementById("models"), modelColumns, "A line is a model in one setting.");
const rowTable = new LazyTable(document.getElementById("rows"), rowColumns, "A row is a model in one setting on one workload.");
const filters = document.getElementById("filters");

function offer(name, values, all) {
  const select = filters.elements[name];
  select.append(element("option", all, { value: "" }));
  for (const value of values) select.append(element("option", value, { value }));
}

function wordsOf(column) {
  return [...new Set(column.filter((word) => word !== null))].sort();
}

function refresh() {
  const [shown, rowsShown] = [shownLines(), shownRows()];
  modelTable.show(shown);
  rowTable.show(rowsShown);
  const of = state.workload ? `on ${state.workload}` : "means over workloads";
  document.getElementById("shown").textContent =
    `models: ${shown.length} of ${lines.line.length} (${of}); rows: ${rowsShown.length} of ${rows.line.length}`;
  const only = document.getElementById("only");
  only.hidden = state.only === null;
  if (state.only) only.firstElementChild.textContent = `only ${[...state.only].map((line) => lines.line[line]).join(", ")}`;
  refreshPictures();
}

function markChosen() {
  for (const box of document.querySelectorAll("[data-line]")) box.checked = state.chosen.includes(Number(box.dataset.line));
}

// The address `#rows?model=…` shows these models only; any other one of the page leaves the filters as they are.
function follow() {
  const [section, query] = location.hash.slice(1).split("?");
  if (query === undefined && !(section === "models" && state.only)) return;
  const wanted = new Set(new URLSearchParams(query ?? "").getAll("model"));
  const some = [...lines.line.keys()].filter((line) => wanted.has(lines.line[line]));
  state.only = some.length ? new Set(some) : null;
  refresh();
  document.getElementById(section)?.scrollIntoView();
}

offer("architecture", wordsOf(lines.architecture), "all");
offer("stage", wordsOf(lines.stage), "all");
offer("family", wordsOf(lines.family), "all");
offer("size", BANDS.map(([name]) => name), "all");
offer("dtype", wordsOf(lines.dtype), "all");
offer("workload", wordsOf(rows.workload), "mean over workloads");
filters.addEventListener("input", (event) => {
  state[event.target.name] = event.target.name === "text" ? event.target.value.trim().toLowerCase() : event.target.value;
  refresh();
});
filters.addEventListener("submit", (event) => event.preventDefault());
filters.addEventListener("reset", () => {
  for (const { name } of filters.querySelectorAll("input, select")) state[name] = "";
  state.only = null;
  // Or a link that was followed before would lead nowhere.
  history.replaceState(null, "", "#");
  refresh();
});
modelTable.onSort = () => refreshPictures(OF_ORDER);
addEventListener("hashchange", follow);

state.chosen = [...lines.line.keys()].slice(0, 3);
watchPictures();
showNotes();
showTexts();
showFindings();
showWords([...modelColumns, ...rowColumns]);
refresh();
follow();
