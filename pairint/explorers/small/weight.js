// Two priors of one weight, as pairint.theory.lower: sign_risk, sign_bound, weight_risk.
import { fill } from "../kit/numbers.js";

export function compute(p, data) {
  const { information, noise } = p;
  const { grid, places, nodes, stem } = data;
  const step = nodes[1];
  const gaussian = noise === "Gaussian";
  // The trapezoidal rule for the mixture of exponentials that the risk of a sign is.
  const signRisk = (t) => {
    let sum = (step / 2) * Math.exp(-t / 2);
    for (const s of nodes.slice(1)) sum += (step * Math.exp((-t * (1 + s * s)) / 2)) / Math.cosh((Math.PI * s) / 2);
    return sum;
  };
  const telling = data.telling[noise];
  const signs = (at) => {
    const used = Math.min(at, telling);
    return ((gaussian ? signRisk(used) : Math.exp(-used)) * used) / at;
  };
  const shape = (at) => 1 / (at + Math.PI ** 2);
  const height = Math.sqrt(Math.min(1, telling / information));
  const better = signs(information) >= shape(information) ? "signs" : "shape";
  const bound = Math.max(signs(information), shape(information));
  const above = 1 / (1 + information);
  return {
    series: {
      "priors.shape": { x: places, y: places.map((w) => Math.cos((Math.PI * w) / 2) ** 2) },
      "priors.stems": { x: [-height, -height, -height, height, height], y: [stem, 0, 0, 0, stem] },
      "priors.signs": { x: [-height, height], y: [stem, stem] },
      "bounds.above": { x: grid, y: grid.map((at) => 1 / (1 + at)) },
      "bounds.signs": { x: grid, y: grid.map(signs) },
      "bounds.shape": { x: grid, y: grid.map(shape) },
      "bounds.here": { x: [information], y: [bound] },
    },
    facts: {
      information,
      noise,
      bound,
      prior: fill(data.words[better], { height: (Math.floor(100 * height + 0.5) / 100).toFixed(2) }),
      above,
      times: above / bound,
    },
  };
}
