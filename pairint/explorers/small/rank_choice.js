// A singular value among those of noise, kept or dropped, as rank_choice.py.

export function compute(p, data) {
  const { edge, angles, strengths, words } = data;
  const { strength, weight } = p;
  const seenAt = (x) => (x > 1 ? x + 1 / x : edge);
  const keptCost = (x) => (x > 1 ? 2 + 3 / x ** 2 : x ** 2 + edge ** 2);
  const bar = edge * Math.sqrt(weight);
  const [drop, keep, seen] = [strength ** 2, keptCost(strength), seenAt(strength)];
  const choice = seen > bar ? "keep" : "drop";
  const here = choice === "keep" ? keep : drop;
  const costs = (f) => ({ x: strengths, y: strengths.map(f) });
  return {
    series: {
      "seen.noise": { x: angles.map((t) => edge * Math.sin(t)), y: angles.map((t) => (edge * Math.cos(t)) / Math.PI) },
      "seen.signal": { at: seen },
      "seen.bar": { at: bar },
      "cost.drop": costs((x) => x ** 2),
      "cost.keep": costs(keptCost),
      "cost.chosen": costs((x) => (seenAt(x) > bar ? keptCost(x) : x ** 2)),
      "cost.here": { x: [strength], y: [here] },
    },
    facts: {
      strength,
      weight,
      seen,
      drop,
      keep,
      choice,
      words: words[strength <= 1 ? "noise" : keep < drop ? "worth" : "unused"],
      verdict: here <= Math.min(drop, keep) ? "right" : "wrong",
    },
  };
}
