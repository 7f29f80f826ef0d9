// The bound for split samples, from what split.py knows of the best one.

export function compute(p, data) {
  const { shares, dimensions, bound } = data;
  const netOf = (d) => 2 * d * Math.log1p(4 * d * bound.fineness);
  const fitOf = (share) =>
    bound.factor * (Math.sqrt((bound.bias + bound.noise / share) / bound.kept) + Math.sqrt(bound.bias)) ** 2 +
    bound.failure * Math.exp(-bound.rate * share);
  const choiceOf = (share, d) => (bound.choice * netOf(d)) / (1 - share);
  const fit = shares.map(fitOf);
  const totalOf = (d) => shares.map((share, k) => fit[k] + choiceOf(share, d));
  const least = (values) => values.indexOf(Math.min(...values));
  const total = totalOf(p.d);
  const best = least(total);
  const share = p.percent / 100;
  const here = [fitOf(share), choiceOf(share, p.d)];
  const percents = shares.map((s) => 100 * s);
  return {
    series: {
      "split.fit": { x: percents, y: fit },
      "split.choice": { x: percents, y: shares.map((s) => choiceOf(s, p.d)) },
      "split.total": { x: percents, y: total },
      "split.here": { x: [p.percent], y: [here[0] + here[1]] },
      "best.line": { x: dimensions, y: dimensions.map((d) => percents[least(totalOf(d))]) },
      "best.here": { x: [p.d], y: [p.percent] },
    },
    facts: {
      percent: p.percent,
      d: p.d,
      fit: here[0],
      choice: here[1],
      nats: netOf(p.d),
      best: percents[best],
      least: total[best],
    },
  };
}
