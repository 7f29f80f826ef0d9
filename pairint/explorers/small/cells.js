// Cells that follow a curve: Legendre projections on each cell, as pairint.theory.approximation.best_l2_error.
import { linspace } from "../kit/numbers.js";

// The Legendre polynomials up to a degree at t.
function legendre(t, degree) {
  const values = [1, t];
  for (let n = 1; n < degree; n += 1) values.push(((2 * n + 1) * t * values[n] - n * values[n - 1]) / (n + 1));
  return values.slice(0, degree + 1);
}

const dot = (a, b) => a.reduce((sum, v, i) => sum + v * b[i], 0);

// Coefficients on each of the cells, and the root mean square of what is missed.
function project(fine, cells, degree, data) {
  const count = fine.length / cells; // nodes of a cell
  const parts = count / data.nodes.length;
  const places = [];
  for (let part = 0; part < parts; part += 1) {
    for (let i = 0; i < data.nodes.length; i += 1) {
      const t = (2 * part + 1 + data.nodes[i]) / parts - 1;
      places.push({ basis: legendre(t, degree), weight: data.weights[i] / parts });
    }
  }
  const pieces = [];
  let total = 0;
  for (let cell = 0; cell < cells; cell += 1) {
    const values = fine.slice(cell * count, (cell + 1) * count);
    const coefficients = Array.from({ length: degree + 1 }, (_, n) =>
      ((2 * n + 1) / 2) * places.reduce((sum, { basis, weight }, i) => sum + weight * basis[n] * values[i], 0));
    places.forEach(({ basis, weight }, i) => { total += weight * (values[i] - dot(basis, coefficients)) ** 2; });
    pieces.push(coefficients);
  }
  return { pieces, error: Math.sqrt(total / (2 * cells)) };
}

// A Hölder radius of the curve, as RoughActivation.holder_constant.
function radiusOf(heights, frequencies, beta, degree) {
  const gamma = beta - degree;
  const ratios = frequencies.map((w) => {
    const delta = 2 / w;
    return frequencies.reduce((sum, f, k) => sum + heights[k] * f ** degree * Math.min(2, f * delta), 0) / delta ** gamma;
  });
  return 2 ** (1 - gamma) * Math.max(...ratios);
}

function boundOf(cells, beta, degree, radius, bound) {
  let constant = degree ? 2 ** -degree * (degree + 1) ** (degree - beta) : 2 ** (beta - 1);
  for (let j = 2; j <= degree; j += 1) constant /= j;
  return radius * constant * (bound / cells) ** beta;
}

export function compute(p, data) {
  const { bound, frequencies, phases } = data;
  const degree = Math.ceil(p.beta) - 1;
  const raw = frequencies.map((_, k) => 2 ** (-p.beta * k));
  const size = Math.sqrt(dot(raw, raw));
  const heights = raw.map((h) => h / size);
  const phi = (u) => heights.reduce((sum, h, k) => sum + h * Math.cos(frequencies[k] * u + phases[k]), 0);
  const half = bound / data.fine;
  const fine = [];
  for (let cell = 0; cell < data.fine; cell += 1) {
    for (const t of data.nodes) fine.push(phi(-bound + half * (2 * cell + 1 + t)));
  }
  const fits = data.cells.map((cells) => project(fine, cells, degree, data));
  const radius = radiusOf(heights, frequencies, p.beta, degree);
  const bounds = data.cells.map((cells) => boundOf(cells, p.beta, degree, radius, bound));
  const here = data.cells.indexOf(p.cells);

  const grid = linspace(-bound, bound, data.shown + 1);
  const [x, y] = [[], []];
  const width = bound / p.cells;
  fits[here].pieces.forEach((coefficients, cell) => {
    for (const t of linspace(-1, 1, data.shown / p.cells + 1)) {
      x.push(-bound + width * (2 * cell + 1 + t));
      y.push(dot(coefficients, legendre(t, degree)));
    }
  });
  const best = fits.map((fit) => fit.error);
  return {
    series: {
      "curve.truth": { x: grid, y: grid.map(phi) },
      "curve.pieces": { x, y },
      "error.bound": { x: data.cells, y: bounds },
      "error.best": { x: data.cells, y: best },
      "error.here": { x: [p.cells], y: [best[here]] },
    },
    facts: { kind: data.kinds[degree], error: best[here], bound: bounds[here], gain: 2 ** p.beta },
  };
}
