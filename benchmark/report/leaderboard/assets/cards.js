"use strict";
// The card of a model: those of the first lines are in the page, the others are made when somebody asks.

const cardColumns = data.cards.values.map(unpacked);
const cardCommands = unpacked(data.cards.commands);

function openCard() {
  for (const card of document.querySelectorAll(".card.asked")) card.classList.remove("asked");
  const line = numberOf.get(state.model);
  if (line === undefined) return;
  const card = document.getElementById(`model=${state.model}`) ?? document.getElementById("cards").appendChild(cardOf(line));
  card.open = true;
  card.classList.add("asked");
  card.scrollIntoView();
  card.querySelector("summary").focus({ preventScroll: true });
}

function cardOf(line) {
  const label = lines.line[line];
  const card = element("details", null, { class: "card", id: `model=${label}` });
  const facts = document.createElement("dl");
  data.cards.titles.forEach((title, place) => {
    const value = cardColumns[place][line];
    if (value) facts.append(element("dt", title), element("dd", value));
  });
  const command = document.createElement("pre");
  command.append(element("code", cardCommands[line]));
  const links = document.createElement("ul");
  for (const row of rowsOf[line]) {
    const ratio = rows.skip_ratio[row];
    const item = links.appendChild(document.createElement("li"));
    item.append(element("a", rows.workload[row], { href: data.results + rows.href[row] }), ratio === null ? "" : ` ${fixed(ratio, 3)}`);
  }
  card.append(
    element("summary", label), facts,
    element("p", "Measure it again, in a folder whose model file has this entry:"), command,
    element("p", "Its rows, with the skip ratio of each:"), links,
  );
  return card;
}
