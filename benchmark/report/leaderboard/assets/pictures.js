"use strict";
// When pictures are drawn: those in view, and again when what they show has changed.

const OF_ORDER = ["hesitation", "bounds"];  // they show the first models of the table
const inView = new Set();
const stale = new Set();
const observer = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) inView.add(target.id);
    else inView.delete(target.id);
  }
  drawSoon();
}, { rootMargin: "300px" });
let waiting = false;

function refreshPictures(names = [...Object.keys(figures), "exits"]) {
  for (const name of names) stale.add(name);
  const chosen = state.chosen.map((line) => lines.line[line]).join(", ");
  document.getElementById("chosen").textContent = chosen || "Tick models in the table by model to see them here.";
  drawSoon();
}

// After the next frame, so that the tables need not wait for the pictures.
function drawSoon() {
  if (waiting || ![...stale].some((name) => inView.has(name))) return;
  waiting = true;
  requestAnimationFrame(() => setTimeout(() => loadLibrary().then(drawStale, showNoPictures)));
}

function drawStale() {
  waiting = false;
  for (const name of [...stale].filter((each) => inView.has(each))) {
    stale.delete(name);
    const figure = document.getElementById(name);
    const some = name === "exits" ? drawHistograms(figure) : figures[name](figure.querySelector(".plot"));
    const all = some.length > MOST_BARS;
    figure.querySelector(".behind").href = all || !some.length ? "#rows" : addressOf(some);
  }
}

function drawHistograms(figure) {
  const box = figure.querySelector(".multiples");
  for (const plot of box.children) Plotly.purge(plot);
  const some = subjects(state.chosen);
  // In the page before they are drawn, so that they have a width.
  box.replaceChildren(...some.map(({ label }) =>
    element("div", null, { class: "plot", role: "img", "aria-label": `Where the tokens exit: ${label}.` })));
  histograms(box.children, some);
  return state.chosen;
}

// The library lies beside the page where `exitbench leaderboard` wrote it, and is not handed on with the results.
function showNoPictures() {
  document.getElementById("no-pictures").hidden = false;
  for (const figure of document.querySelectorAll("#pictures > figure:not(#texts)")) figure.hidden = true;
}

function watchPictures() {
  for (const figure of document.querySelectorAll("#pictures > figure")) {
    const sentence = figure.querySelector("figcaption p").firstChild.textContent.replace(/\s+/g, " ").trim();
    const plot = figure.querySelector(":scope > .plot");
    plot?.setAttribute("role", "img");
    plot?.setAttribute("aria-label", sentence);
    observer.observe(figure);
  }
  for (const screen of [matchMedia("(prefers-color-scheme: dark)"), narrow]) {
    screen.addEventListener("change", () => refreshPictures());
  }
}
