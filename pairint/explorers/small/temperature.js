// One row of indices at any temperature, as temperature.py.

export function compute(p, data) {
  const row = data.indices[p.token - 1];
  const top = Math.max(...row);
  const softmax = (inverse) => {
    const given = row.map((h) => Math.exp(inverse * h - inverse * top));
    const sum = given.reduce((a, b) => a + b, 0);
    return given.map((g) => g / sum);
  };
  const bitsOf = (weights) => -weights.reduce((sum, w) => (w > 0 ? sum + w * Math.log2(w) : sum), 0) + 0;
  const weights = softmax(p.inverse);
  const number = row.map((_, i) => i + 1);
  const most = row.indexOf(top);
  const bits = bitsOf(weights);
  return {
    series: {
      "weights.stems": { x: number.flatMap((k) => [k, k, k]), y: weights.flatMap((w) => [0, w, 0]) },
      "weights.tops": { x: number, y: weights },
      "weights.one": { x: number, y: softmax(1) },
      "doubt.curve": { x: data.inverses, y: data.inverses.map((b) => bitsOf(softmax(b))) },
      "doubt.all": { at: Math.log2(row.length) },
      "doubt.here": { x: [p.inverse], y: [bits] },
    },
    facts: { token: p.token, inverse: p.inverse, most: most + 1, percent: 100 * weights[most], bits },
  };
}
