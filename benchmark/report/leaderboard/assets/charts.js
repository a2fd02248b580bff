"use strict";
// The pictures: from what the filters leave to what plotly.js draws. Each returns the lines that it shows.

const MOST_BARS = 16;
const MOST_NAMES = 6;  // names beside points
const MOST_INTERVALS = 60;
const MOST_DATES = 8;
const families = [...new Set(lines.family.filter((family) => family !== null))].sort();
const architectures = [...new Set(lines.architecture.filter((kind) => kind !== null))].sort();

const figures = {
  generations(box) {
    const shown = shownLines();
    const groups = groupsOf(shown, lines.family, families, (line) => lines.years[line], "eas");
    const [first, last] = ends(groups.flatMap((group) => group.x));
    const [low, high] = [Math.floor(first - 0.2), Math.ceil(last + 0.2)];
    const years = { range: [low, high], dtick: Math.ceil((high - low) / (narrow.matches ? 6 : 16)), tick0: low, tickformat: "d" };
    const [means, models] = [groups.map(byDate), groups.map(points("eas", [low, high]))];
    // Among many points the lines would be lost below them.
    const traces = shown.length > MOST_INTERVALS ? [...models, ...means] : [...means, ...models];
    scatter(box, traces, axis("released", years), axis(data.columns.eas.title));
    return shown;
  },

  sizes(box) {
    const shown = shownLines();
    const groups = groupsOf(shown, lines.architecture, architectures, (line) => lines.parameters[line], "skip_ratio");
    const [least, most] = ends(groups.flatMap((group) => group.x));
    const range = [Math.log10(least / 2), Math.log10(most * 2)];
    const size = { type: "log", range, ...sizeTicks(...range) };
    scatter(box, groups.map(points("skip_ratio", range.map((end) => 10 ** end))), axis("parameters", size), axis(data.columns.skip_ratio.title));
    return shown;
  },

  hesitation(box) {
    const some = firstSubjects("exit_layer_settled_mean");
    const share = (name) => some.map(({ line, value }) => value(name) / lines.num_layers[line]);
    const [first, settled] = [share("exit_layer_mean"), share("exit_layer_settled_mean")];
    const hovertext = some.map(({ line, label, value }) => hint(
      label, `first match ${fixed(value("exit_layer_mean"), 2)}`,
      `settled ${fixed(value("exit_layer_settled_mean"), 2)}`, `of ${lines.num_layers[line]} layers`,
    ));
    const common = { y: some.map((_, place) => place), hovertext, hoverinfo: "text", customdata: some.map(({ line }) => line) };
    const mark = (name, x, symbol) => ({
      ...common, name, x, mode: "markers", marker: { color: COLOURS[0], size: 11, symbol },
    });
    const between = {
      ...common, type: "bar", orientation: "h", base: first, x: settled.map((share, place) => share - first[place]),
      width: 0.25, marker: { color: COLOURS[0], opacity: 0.45 }, showlegend: false,
    };
    bars(box, some, [between, mark("first match", first, "circle"), mark("settled", settled, "diamond")], 2, {
      xaxis: axis("share of all layers", { range: [0, 1.02], tickformat: ".0%" }),
    });
    return linesOf(some);
  },

  bounds(box) {
    const steps = [["layers", "speedup_bound_layers"], ["and head", "speedup_bound_head"], ["and cache", "speedup_bound_kv"]];
    const some = firstSubjects("speedup_bound_layers");
    const traces = steps.map(([name, column], number) => {
      const bounds = some.map(({ value }) => value(column));
      return {
        name, type: "bar", orientation: "h", y: some.map((_, place) => place),
        // From 1, no gain, to the bound.
        base: 1, x: bounds.map((bound) => (bound === null ? null : bound - 1)),
        marker: { color: COLOURS[number] },
        text: bounds.map((bound) => fixed(bound, 2)), textposition: "outside", cliponaxis: false, textfont: { size: 11 },
        hovertext: some.map(({ label }, place) => hint(label, `${name}: ${fixed(bounds[place], 2)}`)), hoverinfo: "text",
        customdata: some.map(({ line }) => line),
      };
    });
    const [, most] = ends(steps.flatMap(([, column]) => some.map(({ value }) => value(column) ?? 1)));
    bars(box, some, traces, 2.8, {
      barmode: "group", bargap: 0.25,
      xaxis: axis("upper bound of the speedup", { range: [1, 1 + Math.max(most - 1, 0.1) * 1.15] }),
    });
    return linesOf(some);
  },

  agreement: (box) => curves(box, [["agreement", "solid"]], axis("tokens right", { range: [-0.02, 1.02], tickformat: ".0%" })),

  similarity: (box) => curves(box, [["similarity_logit", "solid"], ["similarity_hidden", "dash"]], axis("cosine to the last layer")),
};

function billions(parameters) {
  return `${Number((parameters / 1e9).toPrecision(3))} B`;
}

function ends(values) {
  return values.length ? [Math.min(...values), Math.max(...values)] : [1, 1];
}

// 1, 2, 5 of each power of ten where there are few of them.
function sizeTicks(low, high) {
  const steps = high - low > 3.2 || (narrow.matches && high - low > 1.8) ? [1] : [1, 2, 5];
  const tickvals = [];
  for (let power = Math.floor(low); power <= high; power += 1) tickvals.push(...steps.map((step) => step * 10 ** power));
  return { tickvals, ticktext: tickvals.map(billions) };
}

// Lines by family or the like, with where each of them lies; `all` counts those of all groups.
function groupsOf(shown, groupOf, groups, x, name) {
  return groups.map((group, number) => {
    const some = shown.filter((line) => groupOf[line] === group && x(line) > 0 && valueOf(name, line) !== null);
    return {
      name: group, lines: some, x: some.map(x), y: some.map((line) => valueOf(name, line)), all: shown.length,
      colour: COLOURS[number % COLOURS.length], symbol: SHAPES[number % SHAPES.length],
    };
  }).filter((group) => group.lines.length);
}

function points(name, [low, high]) {
  return (group) => {
    const middle = name === "skip_ratio" ? Math.sqrt(low * high) : (low + high) / 2;
    const interval = (end, line) => valueOf(`${name}_ci_${end}`, line) ?? valueOf(name, line);
    const [named, crowded] = [group.all <= MOST_NAMES, group.all > MOST_INTERVALS];
    const mark = { color: group.colour, symbol: group.symbol };
    return {
      name: short(group.name), legendgroup: group.name, x: group.x, y: group.y, customdata: group.lines,
      mode: named ? "markers+text" : "markers",
      text: named ? group.lines.map((line) => `  ${short(lines.line[line])}  `) : undefined,
      // Towards the middle, where there is room.
      textposition: group.x.map((x) => (x < middle ? "middle right" : "middle left")),
      cliponaxis: false,
      marker: crowded ? { ...mark, size: 6, opacity: 0.5 } : { ...mark, size: 9 },
      error_y: {
        visible: !crowded, color: group.colour, thickness: 1.2, width: 3, type: "data", symmetric: false,
        array: group.lines.map((line, place) => interval("high", line) - group.y[place]),
        arrayminus: group.lines.map((line, place) => group.y[place] - interval("low", line)),
      },
      hovertext: group.lines.map((line) => describe(name, line)), hoverinfo: "text",
    };
  };
}

function describe(name, line) {
  const { title, digits } = data.columns[name];
  const [low, high] = [valueOf(`${name}_ci_low`, line), valueOf(`${name}_ci_high`, line)];
  const interval = low === null || low === undefined ? "" : ` [${fixed(low, digits)}, ${fixed(high, digits)}]`;
  const size = lines.parameters[line] === null ? [] : [billions(lines.parameters[line])];
  const released = lines.released[line] === null ? [] : [`released ${plain(lines.released[line])}`];
  return hint(lines.line[line], `${title} ${fixed(valueOf(name, line), digits)}${interval}`, ...released, ...size);
}

// The line of a family goes through the mean of each of its dates, or where they are many, of each of its years.
function byDate(group) {
  const many = new Set(group.x).size > MOST_DATES;
  const dates = new Map();
  group.x.forEach((x, place) => {
    const date = many ? Math.floor(x) : x;
    dates.set(date, [...(dates.get(date) ?? []), place]);
  });
  const mean = (values, places) => places.reduce((sum, place) => sum + values[place], 0) / places.length;
  const means = [...dates.values()].map((places) => [mean(group.x, places), mean(group.y, places)]).sort((a, b) => a[0] - b[0]);
  return {
    x: means.map(([x]) => x), y: means.map(([, y]) => y), mode: "lines", line: { color: group.colour, width: many ? 2.5 : 1.5 },
    legendgroup: group.name, showlegend: false, hoverinfo: "skip",
  };
}

function scatter(box, traces, xaxis, yaxis) {
  const named = traces.filter((trace) => trace.showlegend !== false);
  const inLine = Math.max(1, Math.floor(box.clientWidth / 150));
  const height = (narrow.matches ? 17 : 22) * rem + Math.ceil(named.length / inLine) * 20;
  draw(box, traces, { height, xaxis, yaxis: { ...yaxis, ...roomy(named) }, showlegend: true });
}

// One point alone, or points that are close, would otherwise be seen as through a microscope.
function roomy(traces) {
  const reach = (place, sign) => traces.flatMap(({ y, error_y: { array, arrayminus } }) =>
    y.map((value, number) => value + sign * (sign > 0 ? array : arrayminus)[number]));
  const [low, high] = [ends(reach(0, -1))[0], ends(reach(0, 1))[1]];
  const room = Math.max(0.06 * (high - low), 0.05 - (high - low) / 2);
  return { range: [low - room, high + room] };
}

// What a picture of a few models is about: them, or, of one alone, how it did on each workload.
function subjects(some) {
  const [only] = some;
  if (some.length === 1 && rowsOf(only).length > 1) {
    return rowsOf(only).map((row) => ({
      line: only, label: rows.workload[row], value: (name) => rows[name][row], curve: (name) => decodeOrNull(data.curves[name][row]),
    }));
  }
  return some.map((line) => ({
    line, label: lines.line[line], value: (name) => valueOf(name, line), curve: (name) => curveOf(name, line),
  }));
}

function firstSubjects(column) {
  const known = modelTable.places.filter((line) => valueOf(column, line) !== null && lines.num_layers[line]);
  return subjects(known.slice(0, MOST_BARS));
}

function linesOf(some) {
  return [...new Set(some.map(({ line }) => line))];
}

function bars(box, some, traces, each, layout) {
  draw(box, some.length ? traces : [], {
    height: 6.5 * rem + some.length * each * rem,
    yaxis: {
      range: [some.length - 0.5, -0.5], tickvals: some.map((_, place) => place), ticktext: some.map(({ label }) => short(label)),
      showgrid: false, zeroline: false, ticklabelstandoff: 6,
    },
    ...layout,
  });
}

// Curves over relative depth, each column with its own dash.
function curves(box, columns, yaxis) {
  const some = subjects(state.chosen);
  const traces = some.flatMap(({ line, label, curve }, number) => columns.flatMap(([column, dash], place) => {
    const y = curve(column);
    if (!y) return [];
    const what = column.replaceAll("_", " ");
    return {
      name: short(label), legendgroup: String(number), showlegend: place === 0, mode: "lines",
      x: y.map((_, layer) => (layer + 1) / y.length), y, line: { color: COLOURS[number % COLOURS.length], width: 2, dash },
      hovertext: y.map((at, layer) => hint(label, `${what} ${fixed(at, 3)}`, `layer ${layer + 1} of ${y.length}`)),
      hoverinfo: "text", customdata: y.map(() => line),
    };
  }));
  const inLine = Math.max(1, Math.floor(box.clientWidth / 170));
  draw(box, traces, {
    height: 19 * rem + Math.ceil(some.length / inLine) * 20, showlegend: true, yaxis,
    xaxis: axis("depth: layer over number of layers", { range: [0, 1.02], tickformat: ".0%" }),
  });
  return state.chosen;
}

// Of several models in boxes of their own, all with the same scale.
function histograms(boxes, some) {
  const shares = some.map(({ curve }) => ["exit_share", "settled_share"].map(curve));
  const [, most] = ends(shares.flat().flatMap((values) => values ?? []));
  some.forEach((subject, number) => histogram(boxes[number], subject, shares[number], COLOURS[number % COLOURS.length], most));
}

function histogram(box, { line, label }, [first, settled], colour, most) {
  const over = (name, shares) => ({
    name, x: shares.map((_, layer) => layer + 1), y: shares, customdata: shares.map(() => line), hoverinfo: "text",
    hovertext: shares.map((share, layer) => hint(label, `layer ${layer + 1}`, `${name} ${fixed(share, 3)}`)),
  });
  const traces = [];
  if (first) traces.push({ ...over("first match", first), type: "bar", marker: { color: colour } });
  if (settled) {
    const ink = getComputedStyle(document.documentElement).getPropertyValue("--ink").trim();
    traces.push({ ...over("settled", settled), mode: "lines", line: { shape: "hvh", width: 1.5, color: ink } });
  }
  draw(box, traces, {
    height: 14 * rem, bargap: 0.1, showlegend: true, margin: { l: 8, r: 12, t: 28, b: 8 },
    title: { text: short(label), x: 0, xanchor: "left", font: { size: 13 }, pad: { l: 4 } },
    legend: { x: 1, xanchor: "right" },
    xaxis: axis("layer"), yaxis: axis("share of tokens", { range: [0, most * 1.05], tickformat: ".0%" }),
  });
}
