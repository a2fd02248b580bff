"use strict";
// Pictures: each is in the page as a drawing, which is what prints. On a screen plotly.js draws it again in the same place
// when it comes into view, so that one can point at it, and leaves out what the filters leave out. A drawing can be saved.

const CONFIG = { displayModeBar: false, responsive: true, doubleClick: false };
const narrow = matchMedia("(max-width: 40rem)");
const stale = new Set();
const inView = new Set();
const axesOf = new Map();
let library = null;

const observer = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) inView.add(target);
    else inView.delete(target);
  }
  drawSoon();
}, { rootMargin: "200px" });

function watchFigures() {
  for (const figure of document.querySelectorAll("[data-picture]")) {
    figure.querySelector("[data-export=png]")?.removeAttribute("hidden");
    figure.addEventListener("click", (event) => {
      const kind = event.target.dataset.export;
      if (!kind) return;
      event.preventDefault();
      save(figure, kind);
    });
    if (data.figures[figure.dataset.picture]) observer.observe(figure);
  }
  for (const screen of [matchMedia("(prefers-color-scheme: dark)"), narrow]) screen.addEventListener("change", refreshFigures);
}

function refreshFigures() {
  for (const figure of document.querySelectorAll("[data-picture]")) if (data.figures[figure.dataset.picture]) stale.add(figure);
  drawSoon();
}

// After the next frame, so that the tables need not wait for the pictures.
function drawSoon() {
  if (![...stale].some((figure) => inView.has(figure))) return;
  requestAnimationFrame(() => setTimeout(() => loadLibrary().then(drawStale, () => {})));
}

// Where the library is not beside the page, the drawings stay as they are.
function loadLibrary() {
  library ??= new Promise((resolve, reject) => {
    const script = element("script", null, { src: "plotly.min.js" });
    script.addEventListener("load", resolve);
    script.addEventListener("error", reject);
    document.head.append(script);
  });
  return library;
}

function drawStale() {
  for (const figure of [...stale].filter((some) => inView.has(some))) {
    stale.delete(figure);
    draw(figure);
  }
}

function draw(figure) {
  const name = figure.dataset.picture;
  const { data: traces, layout } = coloured(data.figures[name]);
  const box = figure.querySelector(".live");
  const first = !figure.classList.contains("is-live");
  box.hidden = false;
  figure.classList.add("is-live");
  box.setAttribute("role", "img");
  box.setAttribute("aria-label", figure.querySelector("h3").textContent);
  const shown = {
    ...layout, dragmode: false, margin: { ...layout.margin, r: 28 }, font: { ...layout.font, family: getComputedStyle(document.body).fontFamily },
    legend: { ...layout.legend, xref: "container", x: 0, xanchor: "left", yref: "container", y: 0, yanchor: "bottom" },
  };
  const room = roomFor(traces, layout);
  for (const key of axisKeys(layout)) {
    const { title, ticktext } = layout[key];
    // Margins grow by what stands beside an axis, never by its outermost numbers: these come and go with the margin.
    const automargin = key.startsWith("x") ? "height" : "width";
    shown[key] = { ...layout[key], automargin, title: { ...title, standoff: 4, font: { size: narrow.matches ? 11 : 13 } }, ...(ticktext ? {} : { tickangle: 0 }) };
    if (narrow.matches) Object.assign(shown[key], slim(key, layout[key], room));
  }
  if (narrow.matches) stack(shown, layout);
  if (first) {
    Plotly.newPlot(box, traces, shown, CONFIG);
    // The axes stay where they are for all models, whatever the filters leave.
    axesOf.set(name, Object.fromEntries(
      axisKeys(layout).map((key) => [key, [...box._fullLayout[key].range]]),
    ));
    box.on("plotly_click", ({ points: [point] }) => {
      const [line] = point?.customdata ?? [];
      if (numberOf.has(line)) go({ model: line });
    });
  }
  for (const [key, range] of Object.entries(axesOf.get(name))) shown[key] = { ...shown[key], range, autorange: false, fixedrange: true };
  Plotly.react(box, filtered(traces), shown, CONFIG);
}

function axisKeys(layout, sides = "xy") {
  return Object.keys(layout).filter((key) => new RegExp(`^[${sides}]axis\\d*$`).test(key));
}

// Shares of an axis, left and right, that words beside marks need on a phone where names stand beside the panel.
function roomFor(traces, layout) {
  const named = axisKeys(layout, "y").some((key) => layout[key].ticktext);
  if (traces.some(({ type }) => type === "bar")) return [0.12, 0.12];
  return named && traces.some(({ type, text }) => type === "scatter" && text) ? [0, 0.6] : [0, 0];
}

// An axis on a phone: few numbers, long names upright below and in several lines beside, and room for words.
function slim(key, { ticktext, range, type }, [before, behind]) {
  const across = key.startsWith("x");
  if (!ticktext) {
    if (!across || !range || type === "log") return { nticks: 4 };
    const width = range[1] - range[0];
    return { nticks: 4, range: [range[0] - before * width, range[1] + behind * width] };
  }
  if (across) return { tickangle: ticktext.some((name) => name.length > 6) ? 90 : 0, tickfont: { size: 10 } };
  return { ticktext: ticktext.map(broken), tickfont: { size: 10 } };
}

function broken(name) {
  return name.replaceAll("<br>", " ").split(" ").reduce((all, word) => {
    const last = all.slice(all.lastIndexOf("<br>") + 1);
    return last.length + word.length > 22 ? `${all}<br>${word}` : `${all} ${word}`;
  });
}

// Panels one below the other, as a phone has them.
function stack(shown, layout) {
  const panels = axisKeys(layout, "y").length;
  const rows = new Set(axisKeys(layout, "y").map((key) => `${layout[key].domain}`)).size;
  const heights = axisKeys(layout, "y").map((key) => {
    const lines = (shown[key].ticktext ?? []).reduce((sum, name) => sum + name.split("<br>").length, 0);
    return Math.max((1.2 * layout.height) / rows, 14 * lines + 110);
  });
  shown.height = panels * Math.max(...heights);
  for (const key of axisKeys(layout, "x")) shown[key].domain = [0, 1];
  axisKeys(layout, "y").forEach((key, number) => {
    const [below, above] = [60 / shown.height, 12 / shown.height];
    shown[key].domain = [1 - (number + 1) / panels + (panels > 1 ? below : 0), 1 - number / panels - (panels > 1 ? above : 0)];
  });
}

// What a trace has for each of its marks.
const OF_MARKS = new Set(["x", "y", "z", "text", "hovertext", "customdata", "array", "arrayminus"]);

// Without the marks of lines that the filters leave out. A picture of one line alone is no choice of lines.
function filtered(traces) {
  const labels = new Set(traces.flatMap(({ customdata }) => (customdata ?? []).map(([line]) => line).filter(Boolean)));
  if (labels.size < 2) return traces;
  const hidden = new Set([...labels].filter((label) => numberOf.has(label) && !lineIsShown(numberOf.get(label))));
  return traces.map((trace) => {
    const marks = trace.customdata ?? [];
    const kept = (_, place) => !hidden.has(marks[place][0]);
    const cut = (key, value) => (OF_MARKS.has(key) && Array.isArray(value) ? value.filter(kept) : value);
    const parts = Object.entries(trace).map(([key, value]) => {
      const nested = ["error_x", "error_y", "marker"].includes(key) && value;
      return [key, nested ? Object.fromEntries(Object.entries(value).map(([each, own]) => [each, cut(each, own)])) : cut(key, value)];
    });
    return marks.length ? Object.fromEntries(parts) : trace;
  });
}

// With the page's colours in the place of their names.
function coloured(value) {
  const style = getComputedStyle(document.documentElement);
  const fill = (some) => {
    if (typeof some === "string") return some.replace(/^var\((--[\w-]+), .*\)$/, (_, name) => style.getPropertyValue(name).trim());
    if (Array.isArray(some)) return some.map(fill);
    return some && typeof some === "object" ? Object.fromEntries(Object.entries(some).map(([key, own]) => [key, fill(own)])) : some;
  };
  return fill(value);
}

// A drawing as a file: what is in the page, in the colours of light paper.
async function save(figure, kind) {
  const name = figure.dataset.picture;
  if (kind === "csv") return download(`${name}.csv`, new Blob([data.csv[name]], { type: "text/csv" }));
  const svg = figure.querySelector(".still svg");
  const text = new XMLSerializer().serializeToString(svg);
  if (kind === "svg") return download(`${name}.svg`, new Blob([text], { type: "image/svg+xml" }));
  const { width, height } = svg.viewBox.baseVal;
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await image.decode();
  const canvas = element("canvas", null, { width: 2 * width, height: 2 * height });
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas.toBlob((blob) => download(`${name}.png`, blob));
}

function download(name, blob) {
  const link = element("a", null, { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href));
}
