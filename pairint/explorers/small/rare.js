// Cells that scores hardly ever visit, from the table that rare.py computes.
import { fill, linspace } from "../kit/numbers.js";

export function compute(p, data) {
  const { prices, dearest, lost } = data.tables[data.axes.law.indexOf(p.law)];
  const { dropped } = p;
  const count = prices.length;
  const centres = linspace(1 / count - 1, 1 - 1 / count, count);
  const all = prices.map((_, i) => i);
  const kept = all.filter((i) => Math.min(i, count - 1 - i) >= dropped);
  const out = all.filter((i) => Math.min(i, count - 1 - i) < dropped);
  const counts = dearest.map((_, k) => k);
  const part = (which) => ({ x: which.map((i) => centres[i]), y: which.map((i) => prices[i]) });
  return {
    series: {
      "cells.kept": part(kept),
      "cells.out": part(out),
      "trade.dearest": { x: counts, y: dearest },
      "trade.lost": { x: counts.slice(1), y: lost.slice(1) },
      "trade.here": { x: [dropped], y: [dearest[dropped]] },
    },
    facts: {
      dropped,
      dearest: dearest[dropped],
      compared: fill(data.words[dropped ? "less" : "all"], { times: dearest[0] / dearest[dropped] }),
      lost: 100 * lost[dropped],
    },
  };
}
