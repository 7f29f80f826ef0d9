// The three terms of the error, as pairint.theory.Setting.budget.
import { bestIntervals, terms } from "../formulas/budget.js";
import { logspace } from "../kit/numbers.js";

export function compute(p, data) {
  const setting = { ...data.fixed, d: p.d };
  const budget = (samples, cells) => terms(samples, cells, setting, data.bound);
  const byCells = data.cells.map((k) => budget(p.samples, k));
  const best = bestIntervals(p.samples, setting, data.bound);
  const here = budget(p.samples, best);
  const grid = logspace(...data.samples).map(Math.round);
  const bySamples = grid.map((m) => budget(m, bestIntervals(m, setting, data.bound)));
  const curve = here.bias + here.variance;
  const against = (key) => ({ x: data.cells, y: byCells.map((e) => e[key]) });
  return {
    series: {
      "cells.bias": against("bias"),
      "cells.variance": against("variance"),
      "cells.matrix": against("parametric"),
      "cells.total": against("total"),
      "cells.best": { x: [best], y: [here.total] },
      "samples.curve": { x: grid, y: bySamples.map((e) => e.bias + e.variance) },
      "samples.matrix": { x: grid, y: bySamples.map((e) => e.parametric) },
      "samples.here": { x: [p.samples], y: [curve] },
    },
    facts: {
      best,
      bias: here.bias,
      variance: here.variance,
      matrix: here.parametric,
      verdict: data.words[here.parametric > curve ? "matrix" : "curve"],
    },
  };
}
