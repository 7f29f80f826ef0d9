// Rate explorer: the formulas of pairint.theory.rates, tested against it.
import { bestIntervals, terms } from "./formulas/budget.js";
import { firstTrue, samplesForRank } from "./formulas/needed.js";
import { fill, logspace } from "./kit/numbers.js";

// The price of the matrix from below, as matrix_lower_bound for tokens uniform on the cube, without a bound B.
function matrixFloor(p, bound) {
  const r = p.rank;
  const numbers = r * (2 * p.d - r);
  const price = (m) => (p.noise ** 2 * (p.tokens - 1)) / (m * p.tokens);
  if (p.beta > 1) return (m) => numbers * price(m);
  const reach = p.holder * bound * (2 * bound) ** (p.beta - 1);
  const entries = [];
  for (let i = 0; i < 2000; i += 1) {
    const share = 1e-8 * (1e8 / r) ** (i / 2000);
    const tilt = (share * Math.sqrt(r * (p.d - r))) / (1 - r * share);
    if (tilt > 1) continue;
    const norm = Math.sqrt(1 + tilt ** 2) * (1 + r * share + share * Math.sqrt(r * (p.d - r)));
    const sum = r + numbers * share + ((p.d - r) ** 2 * r * share ** 2) / (1 - r * share);
    const width = (share * reach) / (3 * Math.min(p.d * norm, sum));
    entries.push([1 + tilt ** 2, (Math.PI / width) ** 2]);
  }
  return (m) => {
    const information = 1 / price(m);
    let least = Infinity;
    for (const [factor, prior] of entries) least = Math.min(least, factor * information + prior);
    return numbers / least;
  };
}

export function compute(p, data) {
  const bound = data.score_bound;
  const budget = (m) => terms(m, bestIntervals(m, p, bound), p, bound);
  const exponent = (2 * p.beta) / (2 * p.beta + 1);
  const keys = ["bias", "variance", "parametric", "total"];
  const series = {};

  const grid = logspace(...data.samples);
  const best = grid.map((m) => budget(Math.round(m)));
  for (const key of keys) series[`samples.${key}`] = { x: grid, y: best.map((t) => t[key]) };
  const oracle = best.map((t) => t.bias + t.variance);
  const floor = matrixFloor(p, bound);
  series["samples.floor"] = { x: grid, y: grid.map((m) => floor(Math.round(m))) };
  const last = grid.length - 1;
  series["samples.oracle"] = { x: grid, y: oracle };
  series["samples.slope"] = { x: grid, y: grid.map((m) => data.shift * oracle[last] * (m / grid[last]) ** -exponent) };
  const condition = samplesForRank(p.rank * p.d, p.beta);
  series["samples.condition"] = { at: condition };
  series["samples.error"] = { at: p.error };

  const intervals = bestIntervals(p.samples, p, bound);
  const here = terms(p.samples, intervals, p, bound);
  const needed = firstTrue(1, (m) => budget(m).total <= p.error);
  series["samples.here"] = { x: [p.samples], y: [here.total] };
  series["samples.needed"] = { x: [needed], y: [p.error] };

  for (const [key, points] of Object.entries(data.measured[p.measured] ?? {})) series[`samples.measured_${key}`] = points;

  const ks = [...new Set(logspace(...data.intervals).map(Math.round))];
  const costs = ks.map((k) => terms(p.samples, k, p, bound));
  for (const key of keys) series[`intervals.${key}`] = { x: ks, y: costs.map((t) => t[key]) };
  const theory = Math.floor((p.samples / Math.log(p.samples)) ** (1 / (2 * p.beta + 1)));
  series["intervals.theory"] = { at: Math.max(1, theory) };
  series["intervals.best"] = { x: [intervals], y: [here.total] };

  const share = (part) => {
    const percent = (100 * part) / here.total;
    if (percent < 0.1) return data.words.little;
    return percent > 99.9 ? data.words.most : percent;
  };
  return {
    series,
    facts: {
      total: here.total,
      intervals,
      bias_share: share(here.bias),
      variance_share: share(here.variance),
      parametric_share: share(here.parametric),
      fall: fill(data.words[2 * here.parametric > here.total ? "matrix" : "activation"], { exponent }),
      needed,
      exponent,
      condition,
    },
  };
}
