// Bumps and code words: two functions, and the error of the best test between them.
import { bumpFamily } from "../formulas/bumps.js";
import { normalCdf } from "../formulas/normal.js";
import { linspace, logspace } from "../kit/numbers.js";

export function compute(p, data) {
  const { beta, bound, profile } = data;
  const family = bumpFamily({ beta, holder: data.holder * p.height, count: p.bumps, bound, profile });
  const rate = (data.tokens * family.energy) / (2 * data.noise ** 2 * (data.tokens - 1));
  const needed = (2 * data.quantile ** 2) / rate;
  const word = data.word.slice(0, p.bumps);
  const middle = Math.floor(p.bumps / 2);
  const neighbour = word.map((bit, j) => (j === middle ? 1 - bit : bit));
  const u = linspace(-bound, bound, data.grid);
  const grid = logspace(...data.samples);
  return {
    series: {
      "functions.one": { x: u, y: u.map(family.activation(word)) },
      "functions.two": { x: u, y: u.map(family.activation(neighbour)) },
      "guess.error": { x: grid, y: grid.map((m) => normalCdf(-Math.sqrt((rate * m) / 2))) },
      "guess.rare": { at: data.rare },
      "guess.needed": { x: [needed], y: [data.rare] },
    },
    facts: { separation: family.energy, needed: Math.ceil(needed) },
  };
}
