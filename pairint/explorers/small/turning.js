// Two heads that turn towards each other, from the table that turning.py computes.

export function compute(p, data) {
  const { angles, sum, one } = data;
  const i = angles.indexOf(p.angle);
  const [x, y] = [Math.cos((Math.PI * p.angle) / 180), Math.sin((Math.PI * p.angle) / 180)];
  return {
    series: {
      "vectors.first": { x: [0, 1], y: [0, 0] },
      "vectors.second": { x: [0, x], y: [0, y] },
      "vectors.tips": { x: [1, x], y: [0, y] },
      "price.sum": { x: angles, y: sum },
      "price.one": { x: angles, y: one },
      "price.here": { x: [p.angle, p.angle], y: [sum[i], one[i]] },
    },
    facts: { angle: p.angle, times: one[i] / sum[i] },
  };
}
