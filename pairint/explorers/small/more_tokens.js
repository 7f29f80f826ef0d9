// Hard labels of more tokens, from the table that more_tokens.py computes.

export function compute(p, data) {
  const { tokens, samples } = data.axes;
  const i = samples.indexOf(p.samples);
  const [two, these] = [data.labels[0], data.labels[tokens.indexOf(p.tokens)]];
  const { start, tail, entropy } = these;
  return {
    series: {
      "label.two": { x: data.units, y: two.worth },
      "label.these": { x: data.units, y: these.worth },
      "label.ends": { x: [0, 1], y: [tail, start] },
      "error.two": { x: samples, y: two.errors },
      "error.these": { x: samples, y: these.errors },
      "error.here": { x: [p.samples], y: [these.errors[i]] },
    },
    facts: { error: these.errors[i], times: two.errors[i] / these.errors[i], start, tail, entropy },
  };
}
