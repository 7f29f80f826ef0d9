// Equations and unknowns of a head, counted; and the errors that whole_layer.py reads from the table.
import { short } from "../kit/numbers.js";

function foundWith(windows, measured) {
  const told = [["nearby", "from nearby"], ["nothing", "from nothing"]].flatMap(([key, name]) => {
    const i = measured[key].x.indexOf(windows);
    if (i < 0) return [];
    const error = measured[key].y[i];
    return [`${error > 1e-9 ? short(error) : "below 10⁻⁹"} ${name}`];
  });
  return told.length ? ` Errors of fits: ${told.join(", ")}.` : " Fits were not tried at this size.";
}

export function compute(p, data) {
  const { windows, rank } = data.axes;
  const { measured } = data;
  const numbers = data.numbers[rank.indexOf(p.rank)];
  const each = data.shown[rank.indexOf(p.rank)];
  return {
    series: {
      "count.equations": { x: windows, y: windows.map((m) => (m * each) / numbers) },
      "count.enough": { at: 1 },
      "count.rank": p.rank === 2 ? measured.rank : { x: [], y: [] },
      "count.here": { x: [p.windows], y: [(p.windows * each) / numbers] },
      "fits.here": { at: p.windows },
      ...Object.fromEntries(["nearby", "nothing", "other"].flatMap((key) => [
        [`fits.${key}`, measured[key]],
        [`fits.${key}_at`, measured[key]],
      ])),
    },
    facts: {
      equations: p.windows * each,
      numbers,
      verdict: p.windows * each >= numbers ? "counting allows it." : "no method can find it (proved).",
      found: p.rank === 32 ? foundWith(p.windows, measured) : "",
    },
  };
}
