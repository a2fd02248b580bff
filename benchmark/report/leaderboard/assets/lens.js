"use strict";
// The token lens: a text with what every layer says at each of its tokens, and beneath it another model on the same prompt.

const lensForm = document.getElementById("lenses");
const labelOf = (lens) => lines.line[rows.line[lens.row]];
const workloadOf = (lens) => rows.workload[lens.row];

// Of the lenses that fit what is chosen so far, the one that fits it best.
function chosenLens() {
  const fits = (lens) => [
    labelOf(lens) === state.lens, workloadOf(lens) === state.on, `${lens.prompt + 1}` === state.prompt,
  ];
  const score = (lens) => fits(lens).reduce((sum, fit, place) => sum + (fit ? 4 >> place : 0), 0);
  return data.lenses.reduce((best, lens) => (score(lens) > score(best) ? lens : best), data.lenses[0]);
}

function showLenses() {
  if (!data.lenses.length) return;
  const lens = chosenLens();
  const of = (some, name) => some.map(name).filter((value, place, all) => all.indexOf(value) === place);
  const own = data.lenses.filter((other) => labelOf(other) === labelOf(lens));
  const here = own.filter((other) => workloadOf(other) === workloadOf(lens));
  const others = data.lenses.filter(
    (other) => other !== lens && workloadOf(other) === workloadOf(lens) && other.prompt === lens.prompt,
  );
  const beneath = others.find((other) => labelOf(other) === state.beneath);
  choices(lensForm.elements.lens, of(data.lenses, labelOf), labelOf(lens));
  choices(lensForm.elements.on, of(own, workloadOf), workloadOf(lens));
  choices(lensForm.elements.prompt, of(here, ({ prompt }) => `${prompt + 1}`), `${lens.prompt + 1}`);
  choices(lensForm.elements.beneath, ["", ...others.map(labelOf)], beneath ? labelOf(beneath) : "");
  document.getElementById("grids").replaceChildren(asked(lens), grid(lens), ...(beneath ? [grid(beneath)] : []));
  document.getElementById("detail").textContent = "Point at a cell, or walk with the arrow keys, to see how sure the layer is.";
}

function choices(select, values, chosen) {
  select.replaceChildren(...values.map((value) => element("option", value || "no other model", { value })));
  select.value = chosen;
}

function asked(lens) {
  if (lens.question === null) return element("p", lens.missing, { class: "quiet" });
  return element("blockquote", lens.question);
}

function grid(lens) {
  const figure = element("figure", null, { class: "lens" });
  const unknown = lens.said.some((said) => said === null)
    ? " Where no layer’s token is written, its record has none: it keeps those of a sample, and of all with --signals all."
    : "";
  figure.append(element("figcaption", `${labelOf(lens)} on ${workloadOf(lens)}, prompt ${lens.prompt + 1}.${lens.shortened ? " The text goes on." : ""}${unknown}`));
  const box = figure.appendChild(element("div", null, { class: "scroll", tabindex: 0, role: "group", "aria-label": "layers by tokens" }));
  const table = box.appendChild(document.createElement("table"));
  const top = table.createTHead().insertRow();
  top.append(element("th", "layer", { scope: "col" }));
  for (const token of lens.tokens) top.append(element("th", visible(token), { scope: "col", title: token }));
  const body = table.createTBody();
  const settled = lens.matches.map((matches) => matches.lastIndexOf("0") + 2);
  for (let layer = lens.layers; layer > 0; layer -= 1) {
    const tr = body.insertRow();
    tr.append(element("th", layer, { scope: "row" }));
    lens.tokens.forEach((token, number) => {
      const matches = lens.matches[number][layer - 1] === "1";
      const look = !matches ? "other" : layer >= settled[number] ? "settled" : "contradicted";
      const cell = tr.insertCell();
      cell.className = look;
      cell.textContent = visible(saidAt(lens, number, layer));
      cell.dataset.at = `${number} ${layer}`;
    });
  }
  box.addEventListener("pointerover", (event) => tell(box, lens, event.target.closest("[data-at]")));
  box.addEventListener("click", (event) => tell(box, lens, event.target.closest("[data-at]")));
  box.addEventListener("keydown", (event) => walk(event, box, lens));
  return figure;
}

function saidAt(lens, number, layer) {
  const said = lens.said[number];
  if (said) return lens.words[said[layer - 1]];
  return lens.matches[number][layer - 1] === "1" ? lens.tokens[number] : "·";
}

function walk(event, box, lens) {
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
  if (!step) return;
  event.preventDefault();
  const [number, layer] = (box.querySelector(".at")?.dataset.at ?? `-1 ${lens.layers}`).split(" ").map(Number);
  const within = (value, least, most) => Math.min(Math.max(value, least), most);
  const to = `${within(number + step[0], 0, lens.tokens.length - 1)} ${within(layer + step[1], 1, lens.layers)}`;
  const cell = box.querySelector(`[data-at="${to}"]`);
  cell.scrollIntoView({ block: "nearest", inline: "nearest" });
  tell(box, lens, cell);
}

function tell(box, lens, cell) {
  if (!cell) return;
  document.querySelector("#grids .at")?.classList.remove("at");
  cell.classList.add("at");
  const [number, layer] = cell.dataset.at.split(" ").map(Number);
  const signals = lens.signals[number];
  const ranks = lens.ranks[number];
  const sure = signals
    ? `probability ${(signals[0][layer - 1] / 100).toFixed(2)}, ${(signals[1][layer - 1] / 100).toFixed(2)} before the second, entropy ${(signals[2][layer - 1] / 10).toFixed(1)} nats`
    : "how sure it is was not kept for this token";
  const rank = ranks ? `the final token has rank ${ranks[layer - 1]}` : "the rank of the final token was not kept here, but of a sample";
  document.getElementById("detail").textContent =
    `Token ${number + 1} “${visible(lens.tokens[number])}”, layer ${layer} of ${lens.layers} says “${visible(saidAt(lens, number, layer))}”: ${sure}; ${rank}.`;
}

function visible(token) {
  const text = token.replaceAll("\n", "↵").replaceAll("\t", "⇥");
  return text.trim() ? text : text.replaceAll(" ", "␣");
}
