// What a hard label teaches, from the table that ties.py computes.

export function compute(p, data) {
  const { known } = data.axes;
  const i = known.indexOf(p.known);
  const far = known.filter((tau) => tau >= 1);
  return {
    series: {
      "rows.all": { x: data.places, y: data.density },
      "rows.doubt": { x: data.places, y: data.doubt[i] },
      "worth.softmax": { x: known, y: known.map(() => data.softmax) },
      "worth.hardmax": { x: known, y: data.hardmax },
      "worth.tail": { x: far, y: far.map((tau) => data.tail / Math.sqrt(tau)) },
      "worth.here": { x: [p.known], y: [data.hardmax[i]] },
    },
    facts: { known: p.known, share: data.shares[i], worth: data.hardmax[i] },
  };
}
