// A polynomial in the place of exp, from the fits that polynomial.py computes.

export function compute(p, data) {
  const table = data.fits[p.spread];
  const i = data.degrees.indexOf(p.degree);
  const series = { "ratio.exp": { x: [-6, 9], y: [1, 1] } };
  for (const key of ["taylor", "fitted"]) {
    series[`ratio.${key}`] = { x: table.t, y: table[key].ratio[i] };
    series[`error.${key}`] = { x: data.degrees, y: table[key].error };
  }
  const [lost, expanded] = [table.fitted.error[i], table.taylor.error[i]];
  series["error.here"] = { x: [p.degree, p.degree], y: [lost, expanded] };
  return { series, facts: { degree: String(p.degree), lost, expanded, negative: table.negative[i] } };
}
