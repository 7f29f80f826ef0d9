// Every run beside one of two curves, from the table that whose_curve.py reads.

export function compute(p, data) {
  const { width, curve } = data.axes;
  const table = data.tables[width.indexOf(p.width)][curve.indexOf(p.curve)];
  const below = table.high.filter((value) => value < 1).length;
  return {
    series: {
      "errors.curve": { x: data.alphas, y: table.curve },
      "errors.runs": { x: table.alpha, y: table.error },
      "ratios.one": { at: 1 },
      "ratios.means": { x: table.at, y: table.mean, low: table.low, high: table.high },
    },
    facts: {
      all: table.at.length,
      below,
      lowest: Math.min(...table.mean),
      verdict: data.verdicts[below ? "below" : "above"],
    },
  };
}
