"use strict";
// The seam to plotly.js: the library, fetched from beside the page when the first picture comes into view, and what all
// pictures have in common.

const COLOURS = ["#4477aa", "#ee6677", "#228833", "#b58900", "#66ccee", "#aa3377", "#8a8f96", "#ee7733", "#009988", "#7d5fb2"];
const SHAPES = ["circle", "triangle-up", "square", "diamond", "cross", "star"];
const SAME_TOUCH_MS = 500;  // a touch comes twice, the second time as a click
const CONFIG = { displayModeBar: false, responsive: true, doubleClick: false };
const NOTHING = {
  xaxis: { visible: false }, yaxis: { visible: false },
  annotations: [{ text: "None of them has these numbers.", xref: "paper", yref: "paper", x: 0.5, y: 0.5, showarrow: false }],
};
const narrow = matchMedia("(max-width: 40rem)");
const withoutMouse = matchMedia("(hover: none)");
const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
let library = null;

function loadLibrary() {
  library ??= new Promise((resolve, reject) => {
    const script = element("script", null, { src: "plotly.min.js" });
    script.addEventListener("load", resolve);
    script.addEventListener("error", () => reject(new Error("plotly.min.js is not beside the page")));
    document.head.append(script);
  });
  return library;
}

// Plotly takes <b>, <a href=…> and &lt; in a text for what they are in HTML; a name is none of them.
function plain(words) {
  return words.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function short(label) {
  const most = narrow.matches ? 18 : 34;
  return plain(label.length > most ? `${label.slice(0, most - 1)}…` : label);
}

// Lines of a label that appears at a point; the first may be a name.
function hint(name, ...facts) {
  return [plain(name), ...facts].join("<br>");
}

function axis(title, more = {}) {
  return { title: { text: title, standoff: 8 }, ...more };
}

// Draw into a box, or draw anew. Each point has the line that it is of as `customdata`, or leads nowhere.
function draw(box, traces, { height, legend = {}, ...layout }) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const scale = {
    gridcolor: colour("--line"), zerolinecolor: colour("--line"), fixedrange: true, automargin: true,
    // Ticks without ink, so that the first labels of two axes do not touch.
    ticks: "outside", ticklen: 5, tickcolor: "rgba(0, 0, 0, 0)",
    // Where plotly hides all labels of an axis, it places its title at minus infinity.
    ticklabeloverflow: "allow",
  };
  if (!traces.length) layout = NOTHING;
  box.style.height = `${height}px`;
  const known = box.classList.contains("js-plotly-plot");
  Plotly.react(box, traces, {
    font: { family: style.getPropertyValue("--letters").trim(), size: 12, color: colour("--ink") },
    paper_bgcolor: "rgba(0, 0, 0, 0)",
    plot_bgcolor: "rgba(0, 0, 0, 0)",
    margin: { l: 8, r: 12, t: 8, b: 8 },
    // So that a finger on a picture scrolls the page.
    dragmode: false,
    hovermode: "closest",
    hoverlabel: { bgcolor: colour("--band"), bordercolor: colour("--quiet"), font: { color: colour("--ink") }, align: "left" },
    ...layout,
    legend: { orientation: "h", xref: "container", x: 0, yref: "container", y: 1, yanchor: "top", ...legend },
    xaxis: { ...scale, ...layout.xaxis },
    yaxis: { ...scale, ...layout.yaxis },
  }, CONFIG);
  if (!known) lead(box);
}

// A click on a point leads to its rows. Where there is no mouse, a first touch tells what it is and a second one leads.
function lead(box) {
  let [touched, since] = [null, 0];
  box.on("plotly_click", ({ points: [point] }) => {
    const line = point?.customdata;
    if (line === undefined || line === null) return;
    const [at, now] = [`${point.curveNumber}/${point.pointNumber}`, performance.now()];
    if (withoutMouse.matches && touched !== at) {
      [touched, since] = [at, now];
      Plotly.Fx.hover(box, [{ curveNumber: point.curveNumber, pointNumber: point.pointNumber }]);
    } else if (!withoutMouse.matches || now - since > SAME_TOUCH_MS) {
      location.hash = addressOf([line]);
    }
  });
}
