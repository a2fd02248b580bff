"use strict";
// What the page knows, and what its filters leave of it. Everything is a column: an array with a place for each line (a
// model in one setting) or for each row (a line on one workload). Columns of texts come as words and where they stand.

const data = JSON.parse(document.getElementById("data").textContent);
const lines = unpack(data.lines);
const rows = unpack(data.rows);
const MOST_CHOSEN = 6;
const BANDS = [
  ["up to 1 B", 0, 1e9],
  ["1 to 3 B", 1e9, 3e9],
  ["3 to 10 B", 3e9, 10e9],
  ["10 to 20 B", 10e9, 20e9],
  ["above 20 B", 20e9, Infinity],
];

const state = {
  text: "", architecture: "", stage: "", family: "", size: "", dtype: "", workload: "",
  only: null,  // a set of lines that a link led to
  chosen: [],  // lines that are shown side by side
};

// The row that stands for a line on a workload.
const rowOf = lines.line.map(() => new Map());
rows.line.forEach((line, row) => {
  if (rows.not_counted[row] === null || !rowOf[line].has(rows.workload[row])) rowOf[line].set(rows.workload[row], row);
});
rows.label = rows.line.map((line) => lines.line[line]);
const searched = lines.line.map((label, line) => [label, lines.family[line] ?? ""].join(" ").toLowerCase());

function unpack(columns) {
  const unpacked = {};
  for (const [name, column] of Object.entries(columns)) {
    unpacked[name] = Array.isArray(column) ? column : column.at.map((word) => (word < 0 ? null : column.words[word]));
  }
  return unpacked;
}

function lineIsShown(line) {
  const { text, architecture, stage, family, size, dtype, workload, only } = state;
  if (only && !only.has(line)) return false;
  if (text && !searched[line].includes(text)) return false;
  if (architecture && lines.architecture[line] !== architecture) return false;
  if (stage && lines.stage[line] !== stage) return false;
  if (family && lines.family[line] !== family) return false;
  if (dtype && lines.dtype[line] !== dtype) return false;
  if (workload && !rowOf[line].has(workload)) return false;
  if (size) {
    const [, above, upTo] = BANDS.find(([name]) => name === size);
    const parameters = lines.parameters[line];
    if (parameters === null || parameters <= above || parameters > upTo) return false;
  }
  return true;
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
function valueOf(name, line) {
  if (!state.workload || !(name in rows)) return lines[name][line];
  const row = rowOf[line].get(state.workload);
  return row === undefined ? null : rows[name][row];
}

// The rows that a curve of a line is the mean of.
function rowsOf(line) {
  if (state.workload) return rowOf[line].has(state.workload) ? [rowOf[line].get(state.workload)] : [];
  return [...rowOf[line].values()].filter((row) => rows.not_counted[row] === null);
}

// Per-layer numbers of −1 to 1, written as two characters of 6 bits.
const DIGITS = new Map([..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"].map((c, i) => [c, i]));

function decode(code) {
  const values = [];
  for (let at = 0; at < code.length; at += 2) {
    values.push(((DIGITS.get(code[at]) * 64 + DIGITS.get(code[at + 1])) / 4095) * 2 - 1);
  }
  return values;
}

// A curve that was not measured has no code.
function decodeOrNull(code) {
  return code ? decode(code) : null;
}

// Mean curve of a line, layer by layer; null if it was not measured.
function curveOf(name, line) {
  const curves = rowsOf(line).map((row) => decodeOrNull(data.curves[name][row])).filter((curve) => curve);
  // One who has tampered with a row may have left it another number of layers.
  if (!curves.length || curves.some((curve) => curve.length !== curves[0].length)) return null;
  return curves[0].map((_, layer) => curves.reduce((sum, curve) => sum + curve[layer], 0) / curves.length);
}

function choose(line, on) {
  state.chosen = state.chosen.filter((other) => other !== line);
  if (on) state.chosen = [...state.chosen, line].slice(-MOST_CHOSEN);
}

// Address that leads to the rows of some lines.
function addressOf(some) {
  const query = new URLSearchParams(some.map((line) => ["model", lines.line[line]]));
  return `#rows?${query}`;
}
