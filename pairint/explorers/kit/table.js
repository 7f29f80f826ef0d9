// The numbers of a figure as tables.
import { node } from "./controls.js";
import { fill, short } from "./numbers.js";
import { present } from "./panel.js";

export function makeTables(spec, state) {
  const tables = [];
  for (const panel of spec.panels) {
    for (const group of groupByX(panel, state.series)) {
      const rows = thin(group.x.length, 13);
      const head = node("tr", {}, node("th", { scope: "col", textContent: fill(panel.x.label, state.facts) }));
      for (const { mark } of group.marks) head.append(node("th", { scope: "col", textContent: fill(mark.label, state.facts) }));
      const body = node("tbody");
      for (const i of rows) {
        const row = node("tr", {}, node("th", { scope: "row", textContent: short(group.x[i]) }));
        for (const { data } of group.marks) {
          const bar = data.high ? ` (${short(data.low[i])} to ${short(data.high[i])})` : "";
          row.append(node("td", { textContent: short(data.y[i]) + bar }));
        }
        body.append(row);
      }
      const caption = `${fill(panel.title, state.facts)} (${fill(panel.y.label, state.facts)})`;
      tables.push(node("table", {}, node("caption", { textContent: caption }), node("thead", {}, head), body));
    }
    const rules = panel.marks.filter((m) => m.kind === "rule" && m.label && present(state.series[`${panel.key}.${m.key}`]));
    for (const mark of rules) {
      tables.push(node("p", { textContent: `${fill(mark.label, state.facts)}: ${short(state.series[`${panel.key}.${mark.key}`].at)}` }));
    }
  }
  return tables;
}

function groupByX(panel, series) {
  const groups = [];
  for (const mark of panel.marks) {
    const data = series[`${panel.key}.${mark.key}`];
    // What has no label of its own shows again what another mark shows.
    if (mark.kind === "rule" || !mark.label || !present(data)) continue;
    const same = groups.find((g) => g.x.length === data.x.length && g.x.every((v, i) => v === data.x[i]));
    if (same) same.marks.push({ mark, data });
    else groups.push({ x: data.x, marks: [{ mark, data }] });
  }
  return groups;
}

function thin(length, most) {
  if (length <= most) return Array.from({ length }, (_, i) => i);
  return Array.from({ length: most }, (_, i) => Math.round((i * (length - 1)) / (most - 1)));
}
