"use strict";
// The columns of the two tables.

const mean = (name) => (line) => valueOf(name, line);
const fact = (name) => (line) => lines[name][line];
const ofRow = (name) => (row) => rows[name][row];
const HELP = {
  eas: "Early-exit Adaptability Score: how early the layers' logits approach the output. With its 95 % interval over prompts.",
  ratio: "EAS over that of the reference model, on the workloads that both were measured on.",
  skip: "Share of layers that a perfect exit rule skips: mean of (L − ℓ)/L, ℓ the shallowest layer with the full model's token.",
  chance: "Skip ratio when the full model's tokens are shuffled: what matching is worth by accident.",
  exit: "Mean first-match exit: the shallowest layer with the full model's token.",
  settled: "Mean settled exit: the layer from which on every layer has the full model's token.",
  hesitation: "Settled minus first-match exit, in layers.",
  bound: "Upper bound of the speedup when layers are all that costs: L over the mean exit. Never a measured speedup.",
  head: "The same in bytes read for a token, with the embedding and the output head.",
  cache: "The same, and skipped layers still pay what their cache needs.",
};

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
  withInterval("eas", "EAS", HELP.eas, valueOf),
  number("eas_relative", "EAS ratio", 2, HELP.ratio, fact("eas_relative")),
  withInterval("skip_ratio", "skip ratio", HELP.skip, valueOf),
  number("rank_skip_ratio", "# skip", 0, "Rank by skip ratio, likewise.", fact("rank_skip_ratio"), { smallestFirst: true }),
  number("skip_ratio_chance", "chance", 3, HELP.chance, mean("skip_ratio_chance")),
  number("exit_layer_mean", "exit", 2, HELP.exit, mean("exit_layer_mean")),
  number("exit_layer_settled_mean", "settled", 2, HELP.settled, mean("exit_layer_settled_mean")),
  number("hesitation_layers_mean", "hesitation", 2, HELP.hesitation, mean("hesitation_layers_mean")),
  number("num_layers", "layers", 0, "L, the number of layers.", fact("num_layers")),
  number("speedup_bound_layers", "bound", 2, HELP.bound, mean("speedup_bound_layers")),
  number("speedup_bound_head", "+head", 2, HELP.head, mean("speedup_bound_head")),
  number("speedup_bound_kv", "+cache", 2, HELP.cache, mean("speedup_bound_kv")),
  {
    ...number("parameters", "parameters", 0, "Parameters of the model; tied ones count once.", fact("parameters")),
    cell: (line) => (lines.parameters[line] === null ? "" : billions(lines.parameters[line])),
  },
  text("family", "family", "Line of models.", fact("family")),
  text("released", "released", "Release date.", fact("released")),
  text("architecture", "architecture", "Kind of model, read off it.", fact("architecture")),
  text("stage", "stage", "Kind of training it ended with.", fact("stage")),
  text("dtype", "dtype", "Type of the weights.", fact("dtype")),
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
  withInterval("eas", "EAS", HELP.eas, (name, row) => rows[name][row]),
  withInterval("skip_ratio", "skip ratio", HELP.skip, (name, row) => rows[name][row]),
  number("skip_ratio_chance", "chance", 3, HELP.chance, ofRow("skip_ratio_chance")),
  number("exit_layer_mean", "exit", 2, HELP.exit, ofRow("exit_layer_mean")),
  number("exit_layer_settled_mean", "settled", 2, HELP.settled, ofRow("exit_layer_settled_mean")),
  number("hesitation_layers_mean", "hesitation", 2, HELP.hesitation, ofRow("hesitation_layers_mean")),
  number("speedup_bound_layers", "bound", 2, HELP.bound, ofRow("speedup_bound_layers")),
  number("speedup_bound_head", "+head", 2, HELP.head, ofRow("speedup_bound_head")),
  number("speedup_bound_kv", "+cache", 2, HELP.cache, ofRow("speedup_bound_kv")),
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
