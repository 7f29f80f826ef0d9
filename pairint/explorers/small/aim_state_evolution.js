// The staircase of the state evolution, as pairint.aim.state_evolution.state_evolution_iterates.
import { increasingRoot } from "../formulas/roots.js";
import { noisySpectrum } from "../formulas/spectrum.js";
import { fill, linspace } from "../kit/numbers.js";

export function compute(p, data) {
  const after = (error) => noisySpectrum(data.rho, error / (p.alpha * data.kappa)).mmse;
  const before = linspace(0, 1, data.grid);
  const errors = [1];
  for (let step = 0; step < p.step; step += 1) errors.push(after(errors[step]));
  const last = errors[errors.length - 1];

  // The one crossing with the diagonal, none but zero from the threshold on.
  const bayes = p.alpha < data.threshold ? increasingRoot((v) => v - after(v), 0, Math.exp(-20), 1) : 0;
  const corners = errors.flatMap((error) => [error, error]);
  return {
    series: {
      "stairs.same": { x: [0, 1], y: [0, 1] },
      "stairs.map": { x: before, y: [0, ...before.slice(1).map(after)] },
      "stairs.path": { x: corners.slice(0, -1), y: corners.slice(1) },
      "stairs.here": { x: [last], y: [last] },
      "errors.errors": { x: errors.map((_, t) => t), y: errors },
      "errors.bayes": { at: bayes },
    },
    facts: { error: last, bayes, words: fill(data.words[bayes > 0 ? "stops" : "falls"], { bayes }) },
  };
}
