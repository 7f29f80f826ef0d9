// One penalty and the biases of any smoothness, from the table that smoothness.py computes.

export function compute(p, data) {
  const { beta, samples } = data.axes;
  const { cells } = data;
  const charge = data.charges[samples.indexOf(p.samples)];
  const totals = data.biases.map((bias) => bias.map((b, k) => b + charge[k]));
  const best = totals.map((total) => total.indexOf(Math.min(...total)));
  const i = beta.indexOf(p.beta);
  const [total, at] = [totals[i], best[i]];
  const other = total[best[data.usual]];
  return {
    series: {
      "cells.charge": { x: cells, y: charge },
      "cells.bias": { x: cells, y: data.biases[i] },
      "cells.total": { x: cells, y: total },
      "cells.best": { x: [cells[at]], y: [total[at]] },
      "found.line": { x: beta, y: best.map((k) => cells[k]) },
      "found.here": { x: [p.beta], y: [cells[at]] },
    },
    facts: { best: cells[at], least: total[at], other, times: other / total[at] },
  };
}
