// A series that is cut off against Pinsker's filter, as pairint.theory.pinsker_filter.

// The cut t of the filter: with the first D coefficients positive it is the root of a linear equation.
function filterOf(weights, price, energy) {
  let [sum, squares] = [0, 0];
  for (let i = 0; i < weights.length; i += 1) {
    sum += weights[i];
    squares += weights[i] ** 2;
    const cut = (price * sum) / (energy + price * squares);
    if (i + 1 === weights.length || cut * weights[i + 1] >= 1) return { cut, risk: price * (i + 1 - cut * sum) };
  }
}

export function compute(p, data) {
  const price = data.price / p.samples;
  const most = data.weights.length - 1;
  const best = filterOf(data.weights, price, data.energy);
  const number = Array.from({ length: most }, (_, i) => i + 1);
  const errors = number.map((k) => data.energy / data.weights[k] ** 2 + price * k);
  const least = errors.indexOf(Math.min(...errors));
  const error = errors[p.kept - 1];
  return {
    series: {
      "factors.fade": { x: number, y: number.map((k) => Math.max(1 - best.cut * data.weights[k - 1], 0)) },
      "factors.cut": { x: [1, p.kept, p.kept, most], y: [1, 1, 0, 0] },
      "errors.cut": { x: number, y: errors },
      "errors.fade": { at: best.risk },
      "errors.here": { x: [p.kept], y: [error] },
    },
    facts: { kept: p.kept, error, times: error / best.risk, best: least + 1, least: errors[least] / best.risk },
  };
}
