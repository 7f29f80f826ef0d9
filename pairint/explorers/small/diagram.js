// The lines of the diagram, as pairint.theory.diagram.
import { terms } from "../formulas/budget.js";
import { logspace } from "../kit/numbers.js";

export function compute(p, data) {
  const { tokens, noise, rank } = data.fixed;
  const setting = { ...data.fixed, beta: p.beta, d: p.d };
  const pieces = Math.ceil(p.beta);
  const bias = terms(1, 1, setting, data.bound).bias;
  const unit = (noise ** 2 * (tokens - 1)) / tokens;
  const power = 2 * p.beta + 1;
  // M at which p numbers cost what the function costs, and the p for an M.
  const scale = (unit * pieces) / (2 * p.beta * bias);
  const each = pieces * (1 + 1 / (2 * p.beta));
  const elbow = (numbers) => scale * (numbers / each) ** power;
  const worth = (samples) => each * (samples / scale) ** (1 / power);

  const count = rank * (2 * p.d - rank) - 1;
  const here = { counted: count / tokens, unique: 2 * count + 1, elbow: elbow(count) };
  const numbers = logspace(...data.numbers);
  const samples = logspace(...data.samples);
  return {
    series: {
      "plane.counted": { x: numbers, y: numbers.map((n) => n / tokens) },
      "plane.unique": { x: numbers, y: numbers.map((n) => 2 * n + 1) },
      "plane.elbow": { x: numbers, y: numbers.map(elbow) },
      "plane.here": { x: [count, count, count], y: [here.counted, here.unique, here.elbow] },
      "errors.function": { x: samples, y: samples.map((m) => (unit / m) * worth(m)) },
      "errors.matrix": { x: samples, y: samples.map((m) => (unit / m) * count) },
      "errors.here": { x: [here.elbow], y: [(unit / here.elbow) * count] },
    },
    facts: { numbers: count, ...here, elbow: Math.max(here.elbow, 1) },
  };
}
