// Curse explorer: measured lines and predictions come with the page, which chooses the one that is lit.
export function compute(p, data) {
  const own = data.own[p.d];
  return { series: { ...data.shared, ...own.series }, facts: own.facts };
}
