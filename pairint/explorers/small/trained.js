// Trained by Adam, or minimised: all numbers come from the stored table, by way of trained.py.

export function compute(p, data) {
  const found = data.runs[p.model][data.steps.indexOf(p.steps)];
  return {
    series: {
      ...Object.fromEntries(Object.entries(found.time).map(([key, part]) => [`time.${key}`, part])),
      "errors.minimiser": data.minimiser,
      "errors.medians": found.medians,
      "errors.runs": found.errors,
      "time.same": { at: 1 },
      "time.minimiser": { x: [1], y: [1] },
    },
    facts: { steps: p.steps, ...found.facts },
  };
}
