// The values under the pointer.
import { node } from "./controls.js";
import { fill, short } from "./numbers.js";

// Values under the pointer, or the finger: the nearest abscissa of each curve. A lifted finger leaves the chart,
// but what it asked for stays until the next touch or change.
export function attachReader(panel, chart, tip, current) {
  const hide = () => { tip.hidden = true; };
  const read = (event) => {
    const { drawing: d, handle, colors } = current();
    if (!d) return;
    const r = chart.getBoundingClientRect();
    const [px, py] = [event.clientX - r.left, event.clientY - r.top];
    if (px < d.box.left || px > d.box.right || py < d.box.top || py > d.box.bottom) return hide();
    const rows = [];
    let at = d.sx.invert(px);
    for (const mark of d.shown) {
      if (mark.kind === "rule" || mark.kind === "area" || !mark.label) continue;
      const data = handle.series[`${panel.key}.${mark.key}`];
      const i = data.x.reduce((best, v, k) => (Math.abs(d.sx(v) - px) < Math.abs(d.sx(data.x[best]) - px) ? k : best), 0);
      if (Math.abs(d.sx(data.x[i]) - px) > 12) continue;
      rows.push({ text: `${fill(mark.label, handle.facts)}: ${short(data.y[i])}`, color: colors[mark.color] });
      at = data.x[i];
    }
    if (!rows.length) return hide();
    tip.replaceChildren(
      node("b", { textContent: `${fill(panel.x.label, handle.facts)}: ${short(at)}` }),
      ...rows.map((row) => {
        const line = node("span", { textContent: row.text });
        line.style.borderLeftColor = row.color;
        return line;
      }),
    );
    tip.hidden = false;
    tip.style.top = `${Math.max(0, Math.min(py - 10, d.height - tip.offsetHeight))}px`;
    tip.style.left = px < d.width / 2 ? `${px + 14}px` : "auto";
    tip.style.right = px < d.width / 2 ? "auto" : `${r.width - px + 14}px`;
  };
  chart.addEventListener("pointerdown", read);
  chart.addEventListener("pointermove", read);
  chart.addEventListener("pointerleave", (event) => {
    if (event.pointerType !== "touch") hide();
  });
}
