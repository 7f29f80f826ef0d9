// What averaging hides: values at the scores of one token, and outputs against one score.
import { roughFunction } from "../formulas/rough.js";
import { linspace } from "../kit/numbers.js";

// Scores of each token with its partners: the generator of Lehmer, Park and Miller, as in averages.py.
function drawScores({ outputs, most, seed, bound }) {
  let state = seed;
  return Array.from({ length: outputs }, () => Array.from({ length: most }, () => {
    state = (state * 16807) % 2147483647;
    return bound * ((2 * state) / 2147483647 - 1);
  }));
}

export function compute(p, data) {
  const partners = p.tokens - 1;
  const phi = roughFunction(p.beta, data.phases, data.bound);
  const drawn = drawScores(data).map((row) => row.slice(0, partners));
  const outputs = drawn.map((row) => row.reduce((sum, u) => sum + phi(u), 0) / partners);
  const u = linspace(-data.bound, data.bound, data.grid);
  const curve = { x: u, y: u.map(phi) };
  return {
    series: {
      "token.truth": curve,
      "token.partners": { x: drawn[0], y: drawn[0].map(phi) },
      "token.mean": { at: outputs[0] },
      "outputs.truth": curve,
      "outputs.outputs": { x: drawn.map((row) => row[0]), y: outputs },
      "outputs.expected": { x: u, y: curve.y.map((v) => v / partners) },
    },
    facts: { partners, mean: outputs[0] },
  };
}
