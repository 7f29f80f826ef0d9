// The panels of a figure in the page: drawn, read under the pointer, and saved.
import { node } from "./controls.js";
import { composeSvg } from "./export.js";
import { fill } from "./numbers.js";
import { drawPanel } from "./panel.js";
import { attachReader } from "./reader.js";

export function makeCharts(spec, prefix, handle) {
  const charts = spec.panels.map((panel, i) => makeChart(panel, `${prefix}-clip-${i}`));
  const root = node("div", { className: "charts" }, ...charts.map((c) => c.root));
  let colors = null;
  let drawings = [];
  let widths = [];
  let share = 1; // of its height that a panel of a compact figure keeps where panels stand one above the other

  // Widths are read when the figure's own width changes, not at each drawing: to read one after a change makes
  // the browser lay out the whole page, once for each panel.
  const measure = () => {
    widths = charts.map((c) => Math.max(250, Math.floor(c.root.clientWidth || 320)));
    share = spec.compact && charts.length > 1 && charts[1].root.offsetTop > charts[0].root.offsetTop ? 0.6 : 1;
  };
  const draw = () => {
    if (!widths.length) measure();
    drawings = charts.map((chart, i) => drawChart(chart, handle, widths[i], share, colors));
  };
  const redraw = () => { if (drawings.length) draw(); };

  return {
    root,
    draw,
    paint: (palette) => { colors = palette; redraw(); },
    fit: () => { measure(); redraw(); },
    exported: () => {
      const { width, height } = root.getBoundingClientRect();
      return composeSvg(spec, drawings, placesOf(charts, root), { width, height }, colors, handle.facts);
    },
  };
}

function makeChart(panel, clip) {
  const tip = node("div", { className: "tip", hidden: true });
  const guide = node("div", { className: "guide", hidden: true });
  const root = node("div", { className: "chart" }, guide, tip);
  root.style.flex = `${panel.grow} 1 max(15rem, 36%)`; // two in a row at most
  return { panel, clip, root, reader: attachReader(panel, root, guide, tip), markup: "" };
}

function drawChart(chart, handle, width, share, colors) {
  const { panel, root, reader } = chart;
  const drawing = drawPanel({ ...panel, height: share * panel.height }, handle.series, handle.facts, width, colors, chart.clip);
  const markup = `${drawing.open} role="img">${drawing.body}</svg>`;
  if (markup !== chart.markup) { // most controls leave some panel as it is
    root.querySelector("svg")?.remove();
    root.insertAdjacentHTML("afterbegin", markup);
    chart.markup = markup;
  }
  root.firstChild.setAttribute("aria-label", fill(`${panel.title}: ${panel.y.label} against ${panel.x.label}`, handle.facts));
  reader.forget({ drawing, handle, colors });
  return drawing;
}

function placesOf(charts, root) {
  const base = root.getBoundingClientRect();
  const rectangles = charts.map((c) => c.root.getBoundingClientRect());
  return rectangles.map((r) => ({ x: r.left - base.left, y: r.top - base.top }));
}
