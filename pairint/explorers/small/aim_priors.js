// A noisy copy of a layer and the error against samples, from the tables that aim_priors.py computes.

export function compute(p, data) {
  const table = data.tables[p.law];
  const i = data.axes.noise.indexOf(p.noise);
  const { edges, values } = table.densities[i];
  const n = values.length / edges.length;
  const spread = Array.from({ length: n }, (_, k) => (1 - Math.cos((Math.PI * k) / (n - 1))) / 2);
  const every = data.axes.law.map((name) => data.tables[name]);
  const [alpha, error] = [table.alphas[i], table.errors[i]];
  return {
    series: {
      "spectrum.density": { x: edges.flatMap(([low, high]) => spread.map((s) => low + (high - low) * s)), y: values },
      "spectrum.clean": { x: table.ends, y: table.ends.map(() => 0) },
      "error.all": { x: every.flatMap((each) => each.x), y: every.flatMap((each) => each.y) },
      "error.law": { x: table.x, y: table.y },
      "error.threshold": { at: table.threshold },
      "error.here": { x: [alpha], y: [error] },
    },
    facts: { share: table.share, alpha, error, threshold: table.threshold },
  };
}
