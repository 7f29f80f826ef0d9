// The numbers of the text that follow the reader's setting, as quantities of setting.py.
import { bestIntervals, terms } from "./budget.js";
import { firstTrue, samplesForRank } from "./needed.js";

// p holds beta, d, tokens, samples, and what is fixed: rank, noise, holder, score_bound, error.
export function quantities(p) {
  const budget = (m) => terms(m, bestIntervals(m, p, p.score_bound), p, p.score_bound);
  return {
    exponent: () => (2 * p.beta) / (2 * p.beta + 1),
    cells: () => bestIntervals(p.samples, p, p.score_bound),
    total: () => budget(p.samples).total,
    curve: () => budget(p.samples).bias + budget(p.samples).variance,
    matrix: () => budget(p.samples).parametric,
    parameters: () => p.rank * (2 * p.d - p.rank),
    needed: () => firstTrue(1, (m) => budget(m).total <= p.error),
    crossing: () => firstTrue(1, (m) => budget(m).bias + budget(m).variance >= budget(m).parametric),
    condition: () => samplesForRank(p.rank * p.d, p.beta),
  };
}
