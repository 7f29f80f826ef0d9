// Coercivity explorer: visibility of each function from its cross moment; the functions are splines.
import { linspace } from "./kit/numbers.js";
import { splineAt } from "./formulas/splines.js";

export function compute(p, data) {
  const law = data.laws[p.law];
  const tokens = Math.min(p.tokens, law.most_tokens);
  const last = law.cross.length - 1;
  const index = Math.min(p.function - 1, last);
  const ratio = (cross, n) => {
    const value = (1 + (n - 2) * cross) / (n - 1);
    return value < 1e-10 ? 0 : value;
  };
  const counts = data.tokens.filter((n) => n <= law.most_tokens);
  const series = {};
  for (const [key, k] of [["least", 0], ["chosen", index], ["most", last]]) {
    series[`visibility.${key}`] = { x: counts, y: counts.map((n) => ratio(law.cross[k], n)) };
  }
  series["visibility.bound"] = { x: counts, y: counts.map((n) => 1 / (n - 1)) };
  const visible = ratio(law.cross[index], tokens);
  series["visibility.here"] = { x: [tokens], y: [visible] };

  const scaled = law.cross.map((c) => (tokens - 1) * ratio(c, tokens));
  series["spectrum.all"] = { x: scaled.map((_, k) => k + 1), y: scaled };
  series["spectrum.here"] = { x: [index + 1], y: [scaled[index]] };
  series["spectrum.bound"] = { at: 1 };

  const psi = (u) => splineAt(u, law.coefficients[index], law.lower, law.upper, law.degree);
  const grid = linspace(law.lower, law.upper, data.grid);
  series["function.density"] = law.density;
  series["function.curve"] = { x: grid, y: grid.map(psi) };
  const scores = law.scores.slice(0, tokens - 1);
  const values = scores.map(psi);
  const average = values.reduce((a, b) => a + b, 0) / values.length;
  const mean = Math.abs(average) < 1e-8 ? 0 : average;
  series["function.partners"] = { x: scores, y: values };
  series["function.mean"] = { at: mean };
  return {
    series,
    facts: {
      tokens,
      partners: tokens - 1,
      ratio: visible,
      bound: 1 / (tokens - 1),
      scaled: (tokens - 1) * visible,
      least: (tokens - 1) * ratio(law.cross[0], tokens),
      mean,
      limit: p.tokens > law.most_tokens ? ` (there are no more than ${law.most_tokens})` : "",
    },
  };
}
