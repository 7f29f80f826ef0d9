// Fit explorer: stored fits (spline coefficients of twelve bits) against the truth; errors against K.
import { linspace } from "./plotkit.js";
import { splineAt } from "./splines.js";

const decoded = new Map();

// The spline coefficients of one fit, one array for each number of cells: two digits to the base 64 each.
function coefficientsOf(index, data) {
  if (!decoded.has(index)) {
    const { steps, unit } = data.fits[index];
    let offset = 0;
    const digit = () => {
      offset += 1;
      return data.digits.indexOf(steps[offset - 1]);
    };
    const next = () => (64 * digit() + digit() - data.steps) * unit;
    decoded.set(index, data.cells.map((k) => Array.from({ length: k + data.degree }, next)));
  }
  return decoded.get(index);
}

export function compute(p, data) {
  let index = 0;
  for (const [key, values] of Object.entries(data.axes)) index = index * values.length + values.indexOf(p[key]);
  const fit = data.fits[index];
  const cell = data.cells.indexOf(p.cells);
  const coefficients = coefficientsOf(index, data)[cell];
  const [lower, upper] = fit.range;
  const truth = data.truths[data.axes.beta.indexOf(p.beta)];
  const phi = (u) => truth.reduce((sum, [frequency, height, phase]) => sum + height * Math.cos(frequency * u + phase), 0);
  const series = {};

  const grid = linspace(-data.bound, data.bound, data.grid);
  series["fit.truth"] = { x: grid, y: grid.map(phi) };
  const inside = linspace(lower, upper, data.grid);
  series["fit.fitted"] = { x: inside, y: inside.map((u) => splineAt(u, coefficients, lower, upper, data.degree)) };
  const { scores, noise } = data.outputs[p.d];
  series["fit.outputs"] = { x: scores, y: scores.map((u, i) => phi(u) + p.noise * noise[i]) };

  series["error.fitted"] = { x: data.cells, y: fit.errors };
  series["error.oracle"] = { x: data.cells, y: fit.oracle };
  series["error.here"] = { x: [p.cells], y: [fit.errors[cell]] };
  series["error.chosen"] = { at: fit.chosen };

  series["scores.density"] = data.density;
  const knots = linspace(lower, upper, p.cells + 1);
  series["scores.knots"] = { x: knots, y: knots.map(() => 0) };
  const best = fit.errors.indexOf(Math.min(...fit.errors));
  return {
    series,
    facts: {
      error: fit.errors[cell],
      oracle: fit.oracle[cell],
      best: data.cells[best],
      chosen: fit.chosen,
      ratio: fit.errors[cell] / fit.errors[best],
      verdict: data.words[p.cells < data.cells[best] ? "under" : p.cells > data.cells[best] ? "over" : "right"],
    },
  };
}
