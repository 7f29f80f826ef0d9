// The values under the pointer.
import { node } from "./controls.js";
import { fill, short } from "./numbers.js";

// Values under the pointer, or the finger: the nearest abscissa of each curve. A lifted finger leaves the chart,
// but what it asked for stays until the next touch or change. They stand below the axis, over the legend, whose
// words they repeat; a line in the chart shows where they are read.
export function attachReader(panel, chart, guide, tip) {
  let drawn = null;
  const hide = () => { guide.hidden = tip.hidden = true; };
  const read = (event) => {
    if (!drawn) return;
    const r = chart.getBoundingClientRect();
    const [px, py] = [event.clientX - r.left, event.clientY - r.top];
    const { box } = drawn.drawing;
    const inside = px >= box.left && px <= box.right && py >= box.top && py <= box.bottom;
    const rows = inside ? rowsAt(px, panel, drawn) : [];
    if (!rows.length) return hide();
    const nearest = rows.reduce((best, row) => (row.distance < best.distance ? row : best));
    tip.replaceChildren(
      node("b", { textContent: `${fill(panel.x.label, drawn.handle.facts)}: ${short(nearest.at)}` }),
      ...rows.map((row) => {
        const line = node("span", { textContent: row.text });
        line.style.borderLeftColor = row.color;
        return line;
      }),
    );
    guide.hidden = tip.hidden = false;
    Object.assign(guide.style, { left: `${drawn.drawing.sx(nearest.at)}px`, top: `${box.top}px`, height: `${box.bottom - box.top}px` });
    const room = document.documentElement.clientHeight - r.top - tip.offsetHeight; // inside the window
    tip.style.top = `${Math.max(box.top, Math.min(box.bottom + 44, room))}px`;
  };
  chart.addEventListener("pointerdown", read);
  chart.addEventListener("pointermove", read);
  chart.addEventListener("pointerleave", (event) => {
    if (event.pointerType !== "touch") hide();
  });
  return { forget: (now) => { drawn = now; hide(); } };
}

// Of each curve the value at its abscissa nearest to px, where that is near.
function rowsAt(px, panel, { drawing, handle, colors }) {
  const rows = [];
  for (const mark of drawing.shown) {
    if (mark.kind === "rule" || mark.kind === "area" || !mark.label) continue;
    const data = handle.series[`${panel.key}.${mark.key}`];
    const distanceOf = (v) => Math.abs(drawing.sx(v) - px);
    const i = data.x.reduce((best, v, k) => (distanceOf(v) < distanceOf(data.x[best]) ? k : best), 0);
    const distance = distanceOf(data.x[i]);
    if (distance > 12) continue;
    rows.push({ at: data.x[i], distance, text: `${fill(mark.label, handle.facts)}: ${short(data.y[i])}`, color: colors[mark.color] });
  }
  return rows;
}
