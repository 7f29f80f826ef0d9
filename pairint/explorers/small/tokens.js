// The number of tokens against two lower bounds, as pairint.theory.lower.
import { bumpFamily } from "../formulas/bumps.js";
import { normalCdf } from "../formulas/normal.js";

export function compute(p, data) {
  const profile = data.profiles[data.axes.beta.indexOf(p.beta)];
  const energies = data.counts.map((count) => bumpFamily({ beta: p.beta, holder: data.holder, count, bound: data.bound, profile }).energy);
  const assouad = (n, divided) => {
    const rate = (data.samples * n) / (2 * data.noise ** 2) / divided;
    return data.counts.reduce((best, count, i) => Math.max(best, (count * energies[i] * normalCdf(-Math.sqrt((rate * energies[i]) / 2))) / 2), 0);
  };
  const odd = (n) => assouad(n, n - 1);
  const jensen = (n) => assouad(n, 1);
  const here = [odd(p.tokens), jensen(p.tokens)];
  const both = [p.tokens, p.tokens];
  const against = (f) => ({ x: data.tokens, y: data.tokens.map(f) });
  const said = [(n) => n / (2 * (n - 1)), (n) => n / 2];
  return {
    series: {
      "bound.odd": against(odd),
      "bound.jensen": against(jensen),
      "bound.here": { x: both, y: here },
      "information.odd": against(said[0]),
      "information.jensen": against(said[1]),
      "information.here": { x: both, y: said.map((f) => f(p.tokens)) },
    },
    facts: { odd: here[0], jensen: here[1], ratio: here[0] / here[1] },
  };
}
