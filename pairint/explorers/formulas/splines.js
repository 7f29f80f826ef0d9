// Splines on equal cells, as pairint.model.Spline: piecewise polynomials inside, straight lines outside.

// The values at t in [0, 1] of the s + 1 B-splines of degree s that live on a cell.
function localBasis(t, degree) {
  let values = [1];
  for (let p = 1; p <= degree; p += 1) {
    values = Array.from({ length: p + 1 }, (_, j) =>
      ((t + p - j) * (values[j - 1] ?? 0) + (1 - t + j) * (values[j] ?? 0)) / p);
  }
  return values;
}

export function splineAt(u, coefficients, lower, upper, degree) {
  const cells = coefficients.length - degree;
  const width = (upper - lower) / cells;
  const position = Math.min(Math.max((u - lower) / width, 0), cells);
  const cell = Math.min(Math.floor(position), cells - 1);
  const t = position - cell;
  let value = localBasis(t, degree).reduce((sum, b, j) => sum + b * coefficients[cell + j], 0);
  const beyond = u - Math.min(Math.max(u, lower), upper);
  if (beyond !== 0) {
    const slope = localBasis(t, degree - 1)
      .reduce((sum, b, j) => sum + b * (coefficients[cell + j + 1] - coefficients[cell + j]), 0);
    value += (slope / width) * beyond;
  }
  return value;
}
