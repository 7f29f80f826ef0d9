// Runs of gradient descent, averaged: the error of a mean is the mean of a block of their Gram matrix.

const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;

export function compute(p, data) {
  const { bayes, gram, entries } = data.alphas[p.alpha];
  const k = p.runs;
  const block = (matrix, j) => mean(matrix.slice(0, j).flatMap((row) => row.slice(0, j)));
  const [average, low, high] = [[], [], []];
  for (let j = 1; j <= k; j += 1) {
    const errors = gram.map((matrix) => block(matrix, j));
    const center = mean(errors);
    const squares = errors.map((error) => (error - center) ** 2);
    const spread = Math.sqrt(mean(squares) / (errors.length - 1));
    average.push(center);
    low.push(center - spread);
    high.push(center + spread);
  }
  const counts = entries.map((_, i) => i + 1);
  return {
    series: {
      "entries.same": { x: [-data.reach, data.reach], y: [-data.reach, data.reach] },
      "entries.entries": {
        x: data.truth.map((value) => value / 100),
        y: data.truth.map((_, i) => mean(entries.slice(0, k).map((run) => run[i])) / 100),
      },
      "errors.posterior": { x: counts, y: counts.map((j) => (1 + 1 / j) * bayes) },
      "errors.errors": { x: counts.slice(0, k), y: average, low, high },
      "errors.bayes": { at: bayes },
    },
    facts: { first: average[0] / bayes, ratio: average[k - 1] / bayes },
  };
}
