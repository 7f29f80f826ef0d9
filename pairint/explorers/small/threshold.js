// The bound for a known matrix against the loss that its test allows, as threshold.py.

export function compute(p, data) {
  const { losses, samples, fit } = data;
  const parts = (loss, m) => {
    const kept = 1 - loss;
    const noise = fit.noise / (kept * m);
    const chance = fit.dimension * Math.exp((-(loss + kept * Math.log1p(-loss)) * m) / fit.spread);
    const failure = fit.most * Math.min(1, chance);
    const design = (fit.spread * fit.bias) / (kept ** 2 * m);
    return { noise, failure, total: fit.bias + noise + design + failure };
  };
  const against = losses.map((loss) => parts(loss, p.samples));
  const totals = against.map((part) => part.total);
  const best = totals.indexOf(Math.min(...totals));
  const here = parts(p.loss, p.samples);
  const free = (m) => fit.bias + fit.noise / m;
  return {
    series: {
      "loss.failure": { x: losses, y: against.map((part) => part.failure) },
      "loss.noise": { x: losses, y: against.map((part) => part.noise) },
      "loss.total": { x: losses, y: totals },
      "loss.here": { x: [p.loss], y: [here.total] },
      "samples.here": { x: samples, y: samples.map((m) => parts(p.loss, m).total) },
      "samples.best": { x: samples, y: samples.map((m) => Math.min(...losses.map((loss) => parts(loss, m).total))) },
      "samples.free": { x: samples, y: samples.map(free) },
      "samples.now": { x: [p.samples], y: [here.total] },
    },
    facts: { ...here, best: losses[best], least: totals[best], times: totals[best] / free(p.samples) },
  };
}
