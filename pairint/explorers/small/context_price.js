// The prices of the function, of the queries and of the keys, from the shares that context_price.py computes.

const price = (n, share) => (n - 1) / n / (1 + (n - 2) * share);
const mean = (values) => values.reduce((sum, v) => sum + v, 0) / values.length;

export function compute(p, data) {
  const known = { function: data.function, queries: [data.queries[p.activation]], keys: [0] };
  const at = (n, name) => mean(known[name].map((share) => price(n, share)));
  const names = ["function", "queries", "keys"];
  const now = names.map((name) => at(p.tokens, name));
  const series = {
    "bars.prices": {
      x: names.flatMap((_, i) => [-1, -1, 1, 1].map((side) => i + 1 + side * data.half)),
      y: now.flatMap((v) => [0, v, v, 0]),
    },
    "bars.tops": { x: [1, 2, 3], y: now },
    "context.here": { x: [p.tokens, p.tokens, p.tokens], y: now },
  };
  names.forEach((name, i) => {
    series[`bars.${name}`] = { x: [i + 1], y: [now[i] + 0.07] };
    series[`context.${name}`] = { x: data.grid, y: data.grid.map((n) => at(n, name)) };
  });
  return {
    series,
    facts: { function: now[0], queries: now[1], keys: now[2], share: known.queries[0] },
  };
}
