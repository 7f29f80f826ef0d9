// A student with a wrong width, from the curves that aim_mismatch.py computes.

// As np.interp: the last value at an abscissa that comes twice.
function valueAt(at, { x, y }) {
  if (at >= x[x.length - 1]) return y[y.length - 1];
  if (at <= x[0]) return y[0];
  const k = x.findIndex((v) => v > at);
  return y[k - 1] + ((y[k] - y[k - 1]) / (x[k] - x[k - 1])) * (at - x[k - 1]);
}

export function compute(p, data) {
  const { believed, true: knowing } = data.axes;
  const i = believed.indexOf(p.believed);
  const [student, known] = [data.curves[i], data.curves[knowing]];
  const end = ({ x }) => x[x.length - 1];
  const error = valueAt(p.samples_over, student);
  return {
    series: {
      "error.known": { x: known.x, y: known.y },
      "error.student": { x: student.x, y: student.y },
      "error.here": { x: [p.samples_over], y: [error] },
      "end.reached": { x: believed, y: data.curves.map(end) },
      "end.stable": { x: believed, y: data.curves.map((each) => each.stable) },
      "end.true": { x: [believed[knowing]], y: [end(known)] },
      "end.here": { x: [p.believed], y: [end(student)] },
    },
    facts: { error, known: valueAt(p.samples_over, known), threshold: end(student), best: end(known) },
  };
}
