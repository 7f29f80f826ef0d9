// What a fit of too small a rank returns: the activation averaged over the law that effective.py computes.
import { short } from "../kit/numbers.js";

const SHAPES = {
  step: (u) => (u > 0 ? 1 : 0),
  softplus: (u) => Math.max(u, 0) + Math.log1p(Math.exp(-Math.abs(u))),
  cosine: Math.cos,
  exp: Math.exp,
};

function verdictOf(full, factor, off) {
  if (full) return "Nothing is left out: the fit returns the activation.";
  if (off === 0) return `The fit returns ${short(factor)} times the activation: the shape stays.`;
  return `The fit returns another shape: the nearest multiple of the activation, ${short(factor)} times it, is off by ${short(off)} %.`;
}

export function compute(p, data) {
  const phi = SHAPES[p.activation];
  const half = data.masses[p.rank - 1];
  const law = [...half.slice(1).reverse(), ...half];
  const v = law.map((_, k) => (k - half.length + 1) * data.bin);
  const u = data.scores;
  const plain = u.map(phi);
  const averaged = u.map((x) => law.reduce((sum, mass, k) => sum + mass * phi(x + v[k]), 0));
  const inner = (a, b) => a.reduce((sum, x, k) => sum + x * b[k], 0);
  const factor = inner(averaged, plain) / inner(plain, plain);
  const rest = averaged.map((y, k) => y - factor * plain[k]);
  const off = Math.floor(1000 * Math.sqrt(inner(rest, rest) / inner(averaged, averaged)) + 0.5) / 10;
  return {
    series: {
      "shape.plain": { x: u, y: plain },
      "shape.averaged": { x: u, y: averaged },
      "shape.scaled": { x: u, y: plain.map((y) => factor * y) },
      "law.density": half.length > 1 ? { x: v, y: law.map((mass) => mass / data.bin) } : { x: [-4, 4], y: [0, 0] },
    },
    facts: {
      left: String(data.rank - p.rank),
      verdict: verdictOf(p.rank === data.rank, factor, off),
      factor,
      off,
    },
  };
}
