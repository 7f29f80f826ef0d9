// The error budget of pairint.theory.Setting: budget and best_intervals.
// p holds beta, d, rank, tokens, noise, holder.

function coefficients(samples, p, bound) {
  const degree = Math.ceil(p.beta) - 1;
  let taylor = 1;
  for (let j = 0; j < degree; j += 1) taylor /= p.beta - j;
  const perParameter = (p.noise ** 2 * (p.tokens - 1)) / (samples * p.tokens);
  return {
    bias: (p.holder * taylor * bound ** p.beta) ** 2,
    perInterval: perParameter * (degree + 1),
    parametric: perParameter * p.rank * (2 * p.d - p.rank),
  };
}

export function terms(samples, intervals, p, bound) {
  const c = coefficients(samples, p, bound);
  const bias = c.bias * intervals ** (-2 * p.beta);
  const variance = c.perInterval * intervals;
  return { bias, variance, parametric: c.parametric, total: bias + variance + c.parametric };
}

export function bestIntervals(samples, p, bound) {
  const c = coefficients(samples, p, bound);
  const continuous = ((2 * p.beta * c.bias) / c.perInterval) ** (1 / (2 * p.beta + 1));
  const below = Math.max(1, Math.floor(continuous));
  const cost = (k) => c.bias * k ** (-2 * p.beta) + c.perInterval * k;
  return cost(below) <= cost(below + 1) ? below : below + 1;
}
