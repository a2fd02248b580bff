"use strict";
// The parts of the page that are not tables to sort or pictures to draw: texts, findings, notes, words.

// Texts, coloured by the exit of each token

function describeText(sample) {
  return `${rows.label[sample.row]}, ${rows.workload[sample.row]}`;
}

function showTexts() {
  const figure = document.getElementById("texts");
  const select = figure.querySelector("select");
  figure.hidden = data.texts.length === 0;
  if (figure.hidden) return;
  data.texts.forEach((sample, number) => select.append(element("option", describeText(sample), { value: number })));
  const box = figure.querySelector(".text");
  const sample = () => data.texts[select.value];
  const pointed = (event) => tell(figure, sample(), event.target.closest("[data-token]"));
  box.addEventListener("click", pointed);
  box.addEventListener("pointerover", pointed);
  box.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const spans = box.querySelectorAll("[data-token]");
    const at = Number(box.querySelector(".at")?.dataset.token ?? -1);
    tell(figure, sample(), spans[Math.min(Math.max(at + step, 0), spans.length - 1)]);
  });
  select.addEventListener("change", () => showText(figure, sample()));
  showText(figure, sample());
}

function tell(figure, sample, span) {
  if (!span) return;
  figure.querySelector(".text .at")?.classList.remove("at");
  span.classList.add("at");
  const [token, first, settled] = sample.tokens[span.dataset.token];
  figure.querySelector(".detail").textContent =
    `“${visible(token)}”: first match in layer ${first}, settled from layer ${settled}, of ${sample.layers}`;
}

function showText(figure, sample) {
  const box = figure.querySelector(".text");
  box.replaceChildren();
  sample.tokens.forEach(([token, first], number) => {
    const depth = Math.min(9, Math.floor(((first - 1) / Math.max(sample.layers - 1, 1)) * 10));
    box.append(element("span", token, { class: `depth-${depth}`, "data-token": number }));
  });
  if (sample.shortened) box.append(" …");
  figure.querySelector(".detail").textContent = "Point at a token, or go through them with the arrow keys, to see their exits.";
  const link = figure.querySelector(".behind");
  link.href = data.results + rows.href[sample.row];
}

function visible(token) {
  return token.replaceAll("\n", "↵").replaceAll("\t", "⇥");
}

// Findings

function showFindings() {
  const found = data.findings;
  const box = document.querySelector("#findings .scroll");
  if (found.missing !== undefined) {
    box.replaceWith(element("p", found.missing));
    return;
  }
  const sentence = `Published claims, held against what was measured: rows ${found.rows}, models ${found.models}. Intervals are over models.`;
  box.before(element("p", sentence));
  const signed = (value) => (value === null ? "" : (value > 0 ? "+" : "") + value.toFixed(3));
  const interval = (some) => (some.low === null ? "" : `[${signed(some.low)}, ${signed(some.high)}]`);
  box.append(plainTable(
    ["claim", "what is counted", "effect", "95 % interval", "models", "verdict"],
    found.findings.map((some) => [
      `${some.claim} (${some.source})`, `${some.unit}: ${some.name}`, signed(some.value), interval(some), some.models,
      some.verdict + (some.reason ? `: ${some.reason}` : ""),
    ]),
    [0, 1, 5],
  ));
  const further = Object.entries(found.estimates).filter(([, some]) => some.length);
  for (const [heading, some] of further) {
    const details = element("details");
    details.append(element("summary", heading));
    const scroll = element("div", null, { class: "scroll", tabindex: 0, role: "region", "aria-label": heading });
    scroll.append(plainTable(
      ["of", "effect", "95 % interval", "models", "unit"],
      some.map((each) => [
        each.name, signed(each.value), interval(each), each.models, each.unit + (each.missing ? `; ${each.missing}` : ""),
      ]),
      [0, 4],
    ));
    details.append(scroll);
    document.getElementById("findings").append(details);
  }
  const left = Object.entries(found.left_out).map(([reason, count]) => `${count} ${reason}`);
  const notes = [...(left.length ? [`Not compared: ${left.join("; ")}.`] : []), ...found.notes];
  for (const note of notes) document.getElementById("findings").append(element("p", note, { class: "quiet" }));
}

function plainTable(heading, cells, texts) {
  const table = document.createElement("table");
  const side = (column) => (texts.includes(column) ? "wrap" : "number");
  const top = table.createTHead().insertRow();
  heading.forEach((label, column) => top.append(element("th", label, { scope: "col", class: side(column) })));
  const body = table.createTBody();
  for (const line of cells) {
    const tr = body.insertRow();
    line.forEach((cell, column) => tr.append(element("td", cell, { class: side(column) })));
  }
  return table;
}

// Notes and words

function showNotes() {
  const box = document.getElementById("notes");
  for (const note of data.notes) box.append(element("p", note));
  for (const { summary, rows: names } of data.left_out) {
    const details = element("details");
    details.append(element("summary", `Left out: ${summary}`));
    const list = details.appendChild(document.createElement("ul"));
    for (const [name, why] of names) list.append(element("li", why ? `${name}: ${why}` : name));
    box.append(details);
  }
}

function showWords(columns) {
  const list = document.querySelector("#words dl");
  const told = new Set();
  for (const { label, help } of columns) {
    if (told.has(label) || !help) continue;
    told.add(label);
    list.append(element("dt", label), element("dd", help));
  }
}
