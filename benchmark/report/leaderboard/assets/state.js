"use strict";
// What the page knows, what its reader has chosen, and what that leaves. Everything is a column: an array with a place for
// each line (a model in one setting) or for each row (a line on one workload). Columns of texts come as words and where
// they stand. What is chosen stands in the address, so that a link leads to the same view.

const data = JSON.parse(document.getElementById("data").textContent);
const lines = unpack(data.lines);
const rows = unpack(data.rows);
const BANDS = [
  ["up to 1 B", 0, 1e9],
  ["1 to 3 B", 1e9, 3e9],
  ["3 to 10 B", 3e9, 10e9],
  ["10 to 20 B", 10e9, 20e9],
  ["above 20 B", 20e9, Infinity],
];
const CHOICES = [
  "text", "architecture", "stage", "family", "size", "dtype", "workload",  // filters
  "sort", "rowsort", "columns",  // tables
  "lens", "on", "prompt", "beneath",  // the token lens
  "model", "at",  // the card that is open, and the section that was gone to
];
const state = Object.fromEntries(CHOICES.map((name) => [name, ""]));

const numberOf = new Map(lines.line.map((label, line) => [label, line]).reverse());
const rowsOf = lines.line.map(() => []);
rows.line.forEach((line, row) => rowsOf[line].push(row));
// The row that stands for a line on a workload.
const rowOf = rowsOf.map((some) => new Map(some.filter((row) => rows.counted[row]).map((row) => [rows.workload[row], row])));
const searched = lines.line.map((label, line) => [label, lines.family[line] ?? ""].join(" ").toLowerCase());

function unpack(columns) {
  return Object.fromEntries(Object.entries(columns).map(([name, column]) => [name, unpacked(column)]));
}

function unpacked(column) {
  return Array.isArray(column) ? column : column.at.map((word) => (word < 0 ? null : column.words[word]));
}

function readAddress() {
  const asked = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
  for (const name of CHOICES) state[name] = asked.get(name) ?? "";
  if (!location.hash.includes("=")) state.at = location.hash.slice(1);
}

function writeAddress(how = "replaceState") {
  const chosen = CHOICES.filter((name) => state[name]).map((name) => [name, state[name]]);
  history[how](null, "", `#${chosen.length ? new URLSearchParams(chosen) : ""}`);
}

function lineIsShown(line) {
  const { architecture, stage, family, size, dtype, workload } = state;
  const text = state.text.trim().toLowerCase();
  if (text && !searched[line].includes(text)) return false;
  if (architecture && lines.architecture[line] !== architecture) return false;
  if (stage && lines.stage[line] !== stage) return false;
  if (family && lines.family[line] !== family) return false;
  if (dtype && lines.dtype[line] !== dtype) return false;
  if (workload && !rowOf[line].has(workload)) return false;
  const band = BANDS.find(([name]) => name === size);
  if (!band) return true;
  const parameters = lines.parameters[line];
  return parameters !== null && parameters > band[1] && parameters <= band[2];
}

function shownLines() {
  return [...lines.line.keys()].filter(lineIsShown);
}

function shownRows() {
  const shown = lines.line.map((_, line) => lineIsShown(line));
  return [...rows.line.keys()].filter(
    (row) => shown[rows.line[row]] && (!state.workload || rows.workload[row] === state.workload),
  );
}

// A number of a line: its mean over workloads, or that of the workload which the filter names.
function ofLine(name, line) {
  if (!state.workload || !OF_WORKLOAD.has(name)) return lines[name]?.[line] ?? null;
  const row = rowOf[line].get(state.workload);
  return row === undefined ? null : rows[name][row];
}

function ofRow(name, row) {
  const line = rows.line[row];
  if (name === "line" || !(name in rows)) return lines[name]?.[line] ?? null;
  return rows[name][row];
}

const OF_WORKLOAD = new Set(
  data.columns.lines.filter(({ kind, name }) => (kind === "number" || kind === "dot") && name in rows)
    .flatMap(({ name }) => [name, `${name}_ci_low`, `${name}_ci_high`]),
);
