// How much of each direction survives the average, from the eigenfunctions that kept.py computes.

export function compute(p, data) {
  const { scores, common, functions } = data;
  const i = p.direction - 1;
  const partners = p.tokens - 1;
  const kept = common.map((share) => (1 + (partners - 1) * share) / partners);
  const count = common.length;
  return {
    series: {
      "function.function": { x: scores, y: functions[i] },
      "function.zero": { x: [scores[0], scores[scores.length - 1]], y: [0, 0] },
      "spectrum.least": { x: [0.5, count + 0.5], y: [1 / partners, 1 / partners] },
      "spectrum.kept": { x: kept.map((_, k) => k + 1), y: kept },
      "spectrum.here": { x: [p.direction], y: [kept[i]] },
    },
    facts: {
      direction: p.direction,
      tokens: p.tokens,
      parity: common[i] === 0 ? "odd" : "even",
      kept: kept[i],
      scaled: kept[i] * partners,
      common: common[i],
    },
  };
}
