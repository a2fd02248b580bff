"use strict";
// The columns of the two tables.

const fact = (name) => (line) => lines[name][line];
const ofRow = (name) => (row) => rows[name][row];
// Columns are declared once, where they are computed: title, digits and help come with the data.
const declared = (name, value) => {
  const { title, digits, help, interval } = data.columns[name];
  return interval ? withInterval(name, title, digits, help, value) : number(name, title, digits, help, (at) => value(name, at));
};
const others = (value, ...shown) =>
  Object.keys(data.columns).filter((name) => !shown.includes(name)).map((name) => declared(name, value));

const modelColumns = [
  {
    label: "compare", help: "Show the model in the pictures, side by side with others.", text: true,
    cell(line) {
      const box = element("input", null, { type: "checkbox", "aria-label": `compare ${lines.line[line]}` });
      box.checked = state.chosen.includes(line);
      box.addEventListener("change", () => {
        choose(line, box.checked);
        markChosen();
        refreshPictures();
      });
      box.dataset.line = line;
      return box;
    },
  },
  text("line", "model", "Name of the model, and what tells it from its other lines.", fact("line"), { head: true }),
  number("rank_eas", "# EAS", 0, "Rank by EAS over all workloads of the ranking, among decoders, encoder–decoders or encoders.", fact("rank_eas"), { smallestFirst: true }),
  declared("eas", valueOf),
  number("eas_relative", "EAS ratio", 2, "EAS over that of the reference model, on the workloads that both were measured on.", fact("eas_relative")),
  declared("skip_ratio", valueOf),
  number("rank_skip_ratio", "# skip", 0, "Rank by skip ratio, likewise.", fact("rank_skip_ratio"), { smallestFirst: true }),
  ...others(valueOf, "eas", "skip_ratio"),
  number("num_layers", "layers", 0, "L, the number of layers.", fact("num_layers")),
  {
    ...number("parameters", "parameters", 0, "Parameters of the model; tied ones count once.", fact("parameters")),
    cell: (line) => (lines.parameters[line] === null ? "" : billions(lines.parameters[line])),
  },
  text("family", "family", "Line of models.", fact("family")),
  text("released", "released", "Release date.", fact("released")),
  text("architecture", "architecture", "Kind of model, read off it.", fact("architecture")),
  text("stage", "stage", "Kind of training it ended with.", fact("stage")),
  text("dtype", "dtype", "Type that the weights were computed in.", fact("dtype")),
  text("stored_as", "stored as", "What most of the weights are stored in.", fact("stored_as")),
  text("quantization", "quantization", "Quantization while loading.", fact("quantization")),
  text("device", "device", "What it ran on.", fact("device")),
  text("batch_size", "batch", "The most prompts that were decoded together; of several workloads the smallest and the largest.", fact("batch_size")),
  {
    ...number("workloads", "workloads", 0, "Workloads of the ranking that were measured.", fact("workloads")),
    cell: (line) => `${lines.workloads[line]} of ${lines.workloads_of_ranking[line]}`,
  },
  text("unranked", "no rank because", "Why the line has no rank.", fact("unranked")),
];

const rowColumns = [
  text("label", "model", "Name of the model, and what tells it from its other lines.", ofRow("label"), { head: true }),
  text("workload", "workload", "Name of the workload.", ofRow("workload")),
  declared("eas", (name, row) => rows[name][row]),
  declared("skip_ratio", (name, row) => rows[name][row]),
  ...others((name, row) => rows[name][row], "eas", "skip_ratio"),
  number("prompts", "prompts", 0, "Prompts measured.", ofRow("prompts")),
  number("tokens", "tokens", 0, "Tokens measured.", ofRow("tokens")),
  number("batch_size", "batch", 0, "The most prompts that were decoded together.", ofRow("batch_size")),
  {
    ...text("href", "file", "The row as it was measured, JSON, with every column.", ofRow("href")),
    cell: (row) => element("a", fileName(rows.href[row]), { href: data.results + rows.href[row] }),
  },
  text("not_counted", "not in the mean because", "Why the row does not count in the mean of its line.", ofRow("not_counted")),
];

function fileName(href) {
  const name = href.slice(href.lastIndexOf("/") + 1);
  try {
    return decodeURIComponent(name);
  } catch {
    return name;  // not UTF-8
  }
}
