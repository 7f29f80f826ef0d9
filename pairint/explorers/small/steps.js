// The estimator step by step: recorded states; the curve is evaluated here.
import { linspace } from "../kit/numbers.js";
import { splineAt } from "../formulas/splines.js";

export function compute(p, data) {
  const path = data.paths[p.start];
  const here = path[p.step];
  const cells = here.coefficients.length - data.degree;
  const grid = linspace(-data.bound, data.bound, data.grid);
  const ends = linspace(here.lower, here.upper, cells + 1).filter((u) => Math.abs(u) <= data.bound);
  const fit = (u) => splineAt(here.sign * u, here.coefficients, here.lower, here.upper, data.degree);
  const steps = path.map((_, step) => step);
  return {
    series: {
      "curve.truth": { x: grid, y: data.truth },
      "curve.fit": { x: grid, y: grid.map(fit) },
      "curve.knots": { x: ends, y: ends.map(() => data.floor) },
      "error.interaction": { x: steps, y: path.map((r) => r.error) },
      "error.matrix": { x: steps, y: path.map((r) => r.matrix) },
      "error.oracle": { at: data.oracle },
      "error.here": { x: [p.step], y: [here.error] },
    },
    facts: {
      cells,
      last: data.last,
      what: data.words[here.kind],
      error: here.error,
      oracle: data.oracle,
    },
  };
}
