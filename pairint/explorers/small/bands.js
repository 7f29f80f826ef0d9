// Bands and their coverage, from bias, spread and noise of the splines that bands.py computes.
import { normalCdf } from "../formulas/normal.js";

export function compute(p, data) {
  const { tokens, noise, quantile } = data.fixed;
  const { cells } = data.axes;
  const chosen = cells.indexOf(p.cells);
  const unit = noise * Math.sqrt((tokens - 1) / (p.samples * tokens));
  const mean = (values) => values.reduce((sum, v) => sum + v, 0) / values.length;
  const percent = (share) => Math.floor(100 * share + 0.5);
  const holds = (ratio) => normalCdf(quantile - ratio) - normalCdf(-quantile - ratio);
  const held = data.bias.map((row, k) => mean(row.map((b, i) => holds(b / (unit * data.spread[k][i])))));
  const risks = data.bias.map((row, k) => mean(row.map((b, i) => b ** 2 + (unit * data.spread[k][i]) ** 2)));
  const best = risks.indexOf(Math.min(...risks));
  const fine = cells.indexOf(2 * cells[best]);
  const off = data.bias[chosen].map((b, i) => b + unit * data.draw[chosen][i]);
  const half = data.spread[chosen].map((s) => quantile * unit * s);
  const fit = off.map((v, i) => data.truth[i] + v);
  const u = data.scores;
  return {
    series: {
      "curve.band": { x: u, low: fit.map((v, i) => v - half[i]), y: fit.map((v, i) => v + half[i]) },
      "curve.fit": { x: u, y: fit },
      "curve.truth": { x: u, y: data.truth },
      "coverage.mean": { x: cells, y: held },
      "coverage.promised": { at: 0.95 },
      "coverage.best": { x: [cells[best], cells[fine]], y: [held[best], held[fine]] },
      "coverage.here": { x: [cells[chosen]], y: [held[chosen]] },
    },
    facts: {
      best: cells[best],
      coverage: percent(held[chosen]),
      here: percent(mean(off.map((v, i) => (Math.abs(v) <= half[i] ? 1 : 0)))),
      short: percent(held[best]),
      twice: percent(held[fine]),
    },
  };
}
