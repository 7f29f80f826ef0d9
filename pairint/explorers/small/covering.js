// A disc covered by smaller ones from the centres of covering.py, and the counts of pairint.theory.covering.

export function compute(p, data) {
  const centres = data.centres[data.axes.accuracy.indexOf(p.accuracy)];
  const circles = (middles, radius) => {
    const [x, y] = [[], []];
    for (const [a, b] of middles) {
      for (const side of [1, -1]) {
        for (const t of data.arc) {
          x.push(a - radius * Math.cos(t));
          y.push(b + side * radius * Math.sin(t));
        }
      }
    }
    return { x, y };
  };
  const { dimensions } = data;
  const low = dimensions.map((d) => 2 * d * p.rank * Math.log1p(4 / p.accuracy));
  const full = dimensions.map((d) => d * d * Math.log1p(2 / p.accuracy));
  const last = dimensions.length - 1;
  return {
    series: {
      "disc.balls": circles(centres, p.accuracy),
      "disc.rim": circles([[0, 0]], 1),
      "disc.centres": { x: centres.map(([a]) => a), y: centres.map(([, b]) => b) },
      "matrices.full": { x: dimensions, y: full },
      "matrices.low": { x: dimensions, y: low },
    },
    facts: {
      accuracy: p.accuracy,
      rank: p.rank,
      count: centres.length,
      allowed: Math.floor(Math.exp(2 * Math.log1p(2 / p.accuracy)) + 1e-9),
      low: low[last],
      full: full[last],
      times: full[last] / low[last],
    },
  };
}
