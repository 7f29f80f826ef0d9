// Two candidates for a slope, from the table that tangent.py computes.

export function compute(p, data) {
  const { first, second } = data.axes;
  const table = data.tables[second.indexOf(p.second)];
  const i = first.indexOf(p.first);
  const [value, slope, density] = [table.value[i], table.slope[i], table.density[i]];
  const { reach } = data;
  const through = (steep) => ({ x: [p.first - reach, p.first + reach], y: [value - reach * steep, value + reach * steep] });
  return {
    series: {
      "curve.curve": { x: first, y: table.value },
      "curve.touch": through(slope),
      "curve.cut": through(density),
      "curve.here": { x: [p.first], y: [value] },
      "slopes.touch": { x: first, y: table.slope },
      "slopes.cut": { x: first, y: table.density },
      "slopes.here": { x: [p.first, p.first], y: [slope, density] },
    },
    facts: { slope, density, times: density / slope },
  };
}
