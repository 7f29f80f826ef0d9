// The trainings of the stored experiment, from the table that adam.py reads.

export function compute(p, data) {
  const { steps, model } = data.axes;
  const rows = data.trainings[steps.indexOf(p.steps)][model.indexOf(p.model)];
  const all = rows.samples.map((_, i) => i);
  const median = (values) => {
    const sorted = [...values].sort((a, b) => a - b);
    const half = Math.floor(sorted.length / 2);
    return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  };
  const most = Math.max(...rows.samples);
  const last = all.filter((i) => rows.samples[i] === most);
  const series = { "errors.least": data.least, "times.one": { at: 1 } };
  for (const [name, strayed] of [["near", false], ["strayed", true]]) {
    const which = all.filter((i) => rows.strayed[i] === strayed);
    const columns = (x, y) => ({ x: which.map((i) => rows[x][i]), y: which.map((i) => rows[y][i]) });
    series[`errors.${name}`] = columns("samples", "error");
    series[`times.${name}`] = columns("times", "ratio");
  }
  return {
    series,
    facts: {
      near: rows.ratio.filter((r) => r <= 1.1).length,
      all: all.length,
      strayed: rows.strayed.filter(Boolean).length,
      ratio: median(last.map((i) => rows.ratio[i])),
      times: median(last.map((i) => rows.times[i])),
    },
  };
}
