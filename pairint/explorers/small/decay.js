// How much weight decay, from the table that decay.py computes.

export function compute(p, data) {
  const { samples, decay } = data.axes;
  const table = data.tables[samples.indexOf(p.samples)];
  const i = decay.indexOf(p.decay);
  const [x, y] = table.laws[i];
  const best = table.errors.indexOf(Math.min(...table.errors));
  return {
    series: {
      "spectrum.law": { x, y },
      "error.curve": { x: decay, y: table.errors },
      "error.bayes": { at: table.bayes },
      "error.here": { x: [p.decay], y: [table.errors[i]] },
    },
    facts: {
      zero: 100 * (1 - table.ranks[i]),
      error: table.errors[i],
      best: decay[best],
      least: table.errors[best],
      bayes: table.bayes,
    },
  };
}
