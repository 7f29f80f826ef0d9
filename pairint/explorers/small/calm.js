// The square of an average of signs, from the table that calm.py computes.

export function compute(p, data) {
  const { tokens } = data.axes;
  const i = tokens.indexOf(p.tokens);
  const [x, y] = data.squares[i];
  const fourth = data.centred[i];
  const beyond = x.findIndex((square) => square > 9);
  return {
    series: {
      "law.tail": { x, y },
      "law.range": { at: p.tokens - 1 },
      "law.fourth": { at: fourth },
      "factors.range": { x: tokens, y: tokens.map((n) => n - 1) },
      "factors.any": { x: tokens, y: data.any },
      "factors.fourth": { x: tokens, y: data.centred },
      "factors.here": { x: [p.tokens, p.tokens], y: [p.tokens - 1, fourth] },
    },
    facts: { range: p.tokens - 1, fourth, far: 9, rare: beyond < 0 ? 0 : 100 * y[beyond] },
  };
}
