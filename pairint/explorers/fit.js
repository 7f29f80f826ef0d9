// Fit explorer: stored fits against the truth; errors against K.
import { fill, linspace } from "./kit/numbers.js";
import { splineAt } from "./formulas/splines.js";

const decoded = new Map();

// The spline coefficients of one fit, one array for each number of cells: all low bytes, then all high ones.
function coefficientsOf(index, cells, data) {
  if (!decoded.has(index)) {
    const { steps, unit } = data.fits[index];
    const bytes = Uint8Array.from(atob(steps), (c) => c.charCodeAt(0));
    const count = bytes.length / 2;
    const values = Array.from({ length: count }, (_, i) => (bytes[i] + 256 * bytes[count + i] - data.steps) * unit);
    decoded.set(index, cells.map((k) => values.splice(0, k + data.degree)));
  }
  return decoded.get(index);
}

export function compute(p, data) {
  let index = 0;
  for (const [key, values] of Object.entries(data.axes)) index = index * values.length + values.indexOf(p[key]);
  const fit = data.fits[index];
  const cells = [...new Set([...data.cells, fit.chosen])].sort((a, b) => a - b);
  const here = p.cells === "chosen" ? fit.chosen : p.cells;
  const cell = cells.indexOf(here);
  const coefficients = coefficientsOf(index, cells, data)[cell];
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

  series["error.fitted"] = { x: cells, y: fit.errors };
  series["error.oracle"] = { x: cells, y: fit.oracle };
  series["error.here"] = { x: [here], y: [fit.errors[cell]] };
  series["error.chosen"] = { at: fit.chosen };

  series["scores.density"] = data.density;
  const step = Math.ceil(here / data.most_ends);
  const knots = linspace(lower, upper, here + 1).filter((_, i) => i % step === 0);
  series["scores.knots"] = { x: knots, y: knots.map(() => 0) };
  const best = fit.errors.indexOf(Math.min(...fit.errors));
  return {
    series,
    facts: {
      cells: here,
      some: step > 1 ? fill(data.some, { step }) : "",
      count: data.counts[cells.length],
      error: fit.errors[cell],
      oracle: fit.oracle[cell],
      best: cells[best],
      chosen: fit.chosen,
      ratio: fit.errors[cell] / fit.errors[best],
      verdict: data.words[cell < best ? "under" : cell > best ? "over" : "right"],
    },
  };
}
