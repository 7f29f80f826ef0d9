// A spike in the noise, from the table that spike.py computes.

export function compute(p, data) {
  const { level, width } = data.axes;
  const i = level.indexOf(p.level);
  const table = data.tables[width.indexOf(p.width)];
  const limits = level.map((t) => (t < 1 ? t * (2 - t) : 1));
  const [x, y] = table.density[i];
  return {
    series: {
      "spectrum.density": { x, y },
      ...(p.level < 1 ? { "spectrum.spike": { at: 1 + p.level } } : {}),
      "error.narrow": { x: level, y: limits },
      "error.exact": { x: level, y: table.errors },
      "error.here": { x: [p.level], y: [table.errors[i]] },
    },
    facts: {
      level: p.level,
      width: p.width,
      words: data.words[p.level >= 1 ? "below" : table.bulks[i] === 2 ? "apart" : "bump"],
      error: table.errors[i],
      limit: limits[i],
    },
  };
}
