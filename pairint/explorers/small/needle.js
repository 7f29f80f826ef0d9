// A wave that hides its matrix: the pit from its formula, widths and chances from needle.py.

export function compute(p, data) {
  const { frequency, dimension } = data.axes;
  const i = frequency.indexOf(p.frequency);
  const [width, chance] = [data.widths[i], data.chances[dimension.indexOf(p.dimension)]];
  const square = p.frequency ** 2;
  const alone = 1 - 1 / Math.sqrt(1 + 4 * square);
  const left = data.angles.map((degrees) => {
    const cosine = Math.cos((Math.PI * degrees) / 180);
    const near = 1 / Math.sqrt(1 + square * (2 - 2 * cosine));
    const far = 1 / Math.sqrt(1 + square * (2 + 2 * cosine));
    return 1 - ((near - far) / alone) ** 2;
  });
  return {
    series: {
      "pit.left": { x: data.angles, y: left },
      "pit.half": { at: 0.5 },
      "pit.ends": { x: [-width, width], y: [0.5, 0.5] },
      "chance.line": { x: frequency, y: chance },
      "chance.here": { x: [p.frequency], y: [chance[i]] },
    },
    facts: { frequency: p.frequency, dimension: p.dimension, width, chance: chance[i], tries: 1 / chance[i] },
  };
}
