// The sandwich of upper and lower bounds, from the table that sandwich.py computes.

export function compute(p, data) {
  const { samples, beta } = data.axes;
  const table = data.bounds[beta.indexOf(p.beta)];
  const i = samples.indexOf(p.samples);
  const gaps = (key) => table[key].map((v, k) => v / table.lower[k]);
  const [known, learned] = [gaps("known"), gaps("learned")];
  const at = (count) => new Array(count).fill(p.samples);
  return {
    series: {
      "bounds.lower": { x: samples, y: table.lower },
      "bounds.known": { x: samples, y: table.known },
      "bounds.learned": { x: samples, y: table.learned },
      "gap.known": { x: samples, y: known },
      "gap.learned": { x: samples, y: learned },
      "bounds.here": { x: at(3), y: [table.lower[i], table.known[i], table.learned[i]] },
      "gap.here": { x: at(2), y: [known[i], learned[i]] },
    },
    facts: { lower: table.lower[i], known: table.known[i], learned: table.learned[i], gap: known[i], far: learned[i] },
  };
}
