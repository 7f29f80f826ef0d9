// Heads of which only the sum is shown, from the table that heads_added.py computes.

export function compute(p, data) {
  const { heads, samples } = data.axes;
  const [k, i] = [heads.indexOf(p.heads), samples.indexOf(p.samples)];
  const one = data.one[k];
  const together = one.map((error) => 1 - p.heads * (1 - error)).map((error) => (error < data.known ? 0 : error));
  const floor = 1 - 1 / p.heads;
  const counts = [1, 2, 3, 4, 5, 6, 7, 8];
  return {
    series: {
      "curves.together": { x: samples, y: together },
      "curves.one": { x: samples, y: one },
      "curves.floor": { at: floor },
      "curves.here": { x: [p.samples, p.samples], y: [together[i], one[i]] },
      "count.floor": { x: counts, y: counts.map((count) => 1 - 1 / count) },
      "count.one": { x: heads, y: data.one.map((errors) => errors[i]) },
      "count.here": { x: [p.heads], y: [one[i]] },
    },
    facts: {
      heads: p.heads,
      samples: p.samples,
      together: together[i],
      one: one[i],
      floor,
      threshold: data.thresholds[k],
    },
  };
}
