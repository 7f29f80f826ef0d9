// Which function survives: from an odd to an even function of the score, one token's average, and many.
import { linspace } from "../kit/numbers.js";

// A token and its partners in each row: the generator of Lehmer, Park and Miller, as in surviving.py.
function drawTokens({ outputs, most, seed, bound }) {
  let state = seed;
  return Array.from({ length: outputs }, () => Array.from({ length: most }, () => {
    state = (state * 16807) % 2147483647;
    return bound * ((2 * state) / 2147483647 - 1);
  }));
}

export function compute(p, data) {
  const partners = p.tokens - 1;
  const share = p.percent / 100;
  const { frequency, bound } = data;
  const odd = Math.sqrt((1 - share) / (1 - data.even));
  const even = Math.sqrt(share / data.even);
  const psi = (u) => odd * Math.sin(frequency * u) + even * Math.cos(frequency * u);
  const mean = (values) => values.reduce((sum, v) => sum + v, 0) / values.length;
  const rows = drawTokens(data);
  const scores = rows.map(([own, ...others]) => others.slice(0, partners).map((y) => own * y));
  const outputs = scores.map((row) => mean(row.map(psi)));
  const common = (x) => {
    const t = frequency * bound * x;
    return even * (Math.abs(t) < 1e-9 ? 1 : Math.sin(t) / t);
  };
  const u = linspace(-3, 3, data.grid);
  const x = linspace(-bound, bound, data.grid);
  const kept = (1 + (partners - 1) * share * data.common) / partners;
  return {
    series: {
      "token.function": { x: u, y: u.map(psi) },
      "token.partners": { x: scores[0], y: scores[0].map(psi) },
      "token.mean": { at: outputs[0] },
      "outputs.outputs": { x: rows.map(([own]) => own), y: outputs },
      "outputs.common": { x, y: x.map(common) },
    },
    facts: { partners, kept, scaled: partners * kept },
  };
}
