// The kernels of a film of fish at a distance, from the table that fish.py reads.
import { short } from "../kit/numbers.js";

const told = ([value, low, high]) => `${short(value)} [${short(low)}, ${short(high)}]`;

export function compute(p, data) {
  const { distance } = data.axes;
  const shown = data.films[p.film];
  const i = distance.indexOf(p.distance);
  const series = {};
  const facts = { gain: told(shown.gain) };
  for (const term of ["position", "velocity"]) {
    const { value, low, high } = shown[term];
    series[`${term}.interval`] = { x: distance, low, y: high };
    series[`${term}.filmed`] = { x: distance, y: data.films.none[term].value };
    series[`${term}.kernel`] = { x: distance, y: value };
    series[`${term}.zero`] = { at: 0 };
    series[`${term}.here`] = { x: [distance[i]], y: [value[i]] };
    facts[term] = told([value[i], low[i], high[i]]);
  }
  return { series, facts };
}
