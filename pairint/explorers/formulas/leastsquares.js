// The estimator of pairint.estimation, for a matrix of given rank: cubic splines averaged over partners by least
// squares (inner.py), Levenberg and Marquardt on the factors of the matrix (gauss_newton.py).
//
// data: { samples: M, tokens: N, d, X: M N d numbers, Y: M N numbers }. The factors of the matrix lie in one array:
// the r columns of left, then those of right. A space is { lower, upper, cells }.

export const DEGREE = 3;
export const PENALTY = 0.1;
const RIDGE = 1e-12;
const TAIL = 5; // scores left out at either end of the interval, as score_range

const zeros = (n) => new Float64Array(n);
const dot = (a, b) => { let sum = 0; for (let i = 0; i < a.length; i += 1) sum += a[i] * b[i]; return sum; };

export const firstSamples = (data, samples) => ({
  ...data,
  samples,
  X: data.X.subarray(0, samples * data.tokens * data.d),
  Y: data.Y.subarray(0, samples * data.tokens),
});

// The lower factor of a symmetric matrix (n x n, in rows); null if it is not positive definite.
export function cholesky(matrix, n) {
  const lower = zeros(n * n);
  for (let i = 0; i < n; i += 1) {
    for (let j = 0; j <= i; j += 1) {
      let sum = matrix[i * n + j];
      for (let k = 0; k < j; k += 1) sum -= lower[i * n + k] * lower[j * n + k];
      if (i !== j) lower[i * n + j] = sum / lower[j * n + j];
      else if (sum > 0) lower[i * n + i] = Math.sqrt(sum);
      else return null;
    }
  }
  return lower;
}

export function choleskySolve(lower, n, right) {
  const x = Float64Array.from(right);
  for (let i = 0; i < n; i += 1) {
    for (let k = 0; k < i; k += 1) x[i] -= lower[i * n + k] * x[k];
    x[i] /= lower[i * n + i];
  }
  for (let i = n - 1; i >= 0; i -= 1) {
    for (let k = i + 1; k < n; k += 1) x[i] -= lower[k * n + i] * x[k];
    x[i] /= lower[i * n + i];
  }
  return x;
}

function times(matrix, n, x) {
  const y = zeros(n);
  for (let i = 0; i < n; i += 1) for (let j = 0; j < n; j += 1) y[i] += matrix[i * n + j] * x[j];
  return y;
}

// X times the r columns of a factor: row after row of r numbers.
function projections({ samples, tokens, d, X }, columns, rank) {
  const out = zeros(samples * tokens * rank);
  for (let row = 0; row < samples * tokens; row += 1) {
    for (let k = 0; k < rank; k += 1) {
      let sum = 0;
      for (let a = 0; a < d; a += 1) sum += X[row * d + a] * columns[k * d + a];
      out[row * rank + k] = sum;
    }
  }
  return out;
}

// The scores X_i' A X_j of all pairs, M x N x N.
export function scoresOf(data, factors) {
  const { samples, tokens, d } = data;
  const rank = factors.length / (2 * d);
  const P = projections(data, factors.subarray(0, rank * d), rank);
  const Q = projections(data, factors.subarray(rank * d), rank);
  const scores = zeros(samples * tokens * tokens);
  for (let m = 0, place = 0; m < samples; m += 1) {
    for (let i = 0; i < tokens; i += 1) {
      for (let j = 0; j < tokens; j += 1, place += 1) {
        let sum = 0;
        for (let k = 0; k < rank; k += 1) sum += P[(m * tokens + i) * rank + k] * Q[(m * tokens + j) * rank + k];
        scores[place] = sum;
      }
    }
  }
  return scores;
}

// The interval that holds all scores of distinct tokens but a few at either end.
export function scoreRange(scores, tokens) {
  const others = scores.filter((_, place) => place % (tokens * tokens) % (tokens + 1) !== 0).sort();
  const tail = Math.min(TAIL, others.length - 1);
  let [lower, upper] = [others[tail], others[others.length - 1 - tail]];
  if (!(upper > lower)) [lower, upper] = [others[0], others[others.length - 1]];
  const size = Math.max(Math.abs(lower), Math.abs(upper));
  if (upper - lower > 1e-9 * Math.max(size, 1e-300)) return [lower, upper];
  const [centre, spread] = [(lower + upper) / 2, Math.max(size, 1e-3)];
  return [centre - spread, centre + spread];
}

// The four cubic B-splines that live at u, and their slopes, continued linearly outside; returns the first one's number.
const VALUES = zeros(4);
const SLOPES = zeros(4);
function basisAt(u, { lower, upper, cells }) {
  const scale = cells / (upper - lower);
  const position = (u - lower) * scale;
  const inside = Math.min(Math.max(position, 0), cells);
  const cell = Math.min(Math.floor(inside), cells - 1);
  const t = inside - cell;
  const beyond = position - inside;
  const s = 1 - t;
  SLOPES[0] = (-s * s) / 2;
  SLOPES[1] = t * (1.5 * t - 2);
  SLOPES[2] = s * (2 - 1.5 * s);
  SLOPES[3] = (t * t) / 2;
  VALUES[0] = (s * s * s) / 6 + SLOPES[0] * beyond;
  VALUES[1] = 2 / 3 - t * t * (1 - t / 2) + SLOPES[1] * beyond;
  VALUES[2] = 2 / 3 - s * s * (1 - s / 2) + SLOPES[2] * beyond;
  VALUES[3] = (t * t * t) / 6 + SLOPES[3] * beyond;
  for (let l = 0; l < 4; l += 1) SLOPES[l] *= scale;
  return cell;
}

// F'F, F'Y, Y'Y for the basis averaged over partners.
export function normalEquations({ samples, tokens, Y }, scores, space) {
  const n = space.cells + DEGREE;
  const gram = zeros(n * n);
  const moment = zeros(n);
  const row = zeros(n);
  const filled = new Int32Array(n);
  for (let r = 0; r < samples * tokens; r += 1) {
    row.fill(0);
    const self = r % tokens;
    for (let j = 0; j < tokens; j += 1) {
      if (j === self) continue;
      const cell = basisAt(scores[r * tokens + j], space);
      for (let l = 0; l < 4; l += 1) row[cell + l] += VALUES[l] / (tokens - 1);
    }
    let count = 0;
    for (let a = 0; a < n; a += 1) {
      const weight = row[a];
      if (weight === 0) continue;
      filled[count] = a;
      count += 1;
      moment[a] += weight * Y[r];
      for (let k = 0; k < count; k += 1) gram[a * n + filled[k]] += weight * row[filled[k]];
    }
  }
  for (let a = 0; a < n; a += 1) for (let b = a + 1; b < n; b += 1) gram[a * n + b] = gram[b * n + a];
  return { n, gram, moment, total: dot(Y, Y), rows: samples * tokens };
}

// Minimise |Y - Fc|^2 + penalty |second differences of c|^2, and a ridge at rounding level.
export function solveInner({ n, gram, moment, total }, penalty = PENALTY) {
  const penalised = Float64Array.from(gram);
  for (let k = 0; k + 2 < n; k += 1) {
    [1, -2, 1].forEach((p, a) => [1, -2, 1].forEach((q, b) => { penalised[(k + a) * n + k + b] += penalty * p * q; }));
  }
  let trace = 0;
  for (let a = 0; a < n; a += 1) trace += gram[a * n + a];
  const system = Float64Array.from(penalised);
  for (let a = 0; a < n; a += 1) system[a * n + a] += trace > 0 ? (RIDGE * trace) / n : 1;
  const factor = cholesky(system, n);
  const coefficients = choleskySolve(factor, n, moment);
  const missing = times(system, n, coefficients).map((v, a) => moment[a] - v);
  choleskySolve(factor, n, missing).forEach((v, a) => { coefficients[a] += v; });
  const explained = 2 * dot(coefficients, moment);
  const residual = Math.max(total - explained + dot(coefficients, times(gram, n, coefficients)), 0);
  const objective = Math.max(total - explained + dot(coefficients, times(penalised, n, coefficients)), 0);
  return { coefficients, residual, objective, factor };
}

function effectiveNumber({ n, gram }, { factor }) {
  let trace = 0;
  for (let a = 0; a < n; a += 1) trace += choleskySolve(factor, n, gram.subarray(a * n, a * n + n))[a];
  return trace;
}

// The spline that goes with a matrix.
export function solveSpline(data, factors, space) {
  const scores = scoresOf(data, factors);
  const equations = normalEquations(data, scores, space);
  return { factors, space, scores, ...solveInner(equations) };
}

// The number of cells by generalised cross-validation, n RSS / (n - dof)^2, in which a coefficient counts for
// more than one, as it does in pairint.estimation.selection.
const WEIGHT = 1.4;

export function chooseCells(data, factors, candidates) {
  const scores = scoresOf(data, factors);
  const [lower, upper] = scoreRange(scores, data.tokens);
  const rows = data.samples * data.tokens;
  let [best, least] = [candidates[0], Infinity];
  for (const cells of candidates) {
    if (2 * (cells + DEGREE) > rows) break;
    const equations = normalEquations(data, scores, { lower, upper, cells });
    const inner = solveInner(equations);
    const criterion = (rows * inner.residual) / (rows - WEIGHT * effectiveNumber(equations, inner)) ** 2;
    if (criterion < least) [best, least] = [cells, criterion];
  }
  return { lower, upper, cells: best };
}

// The products of two factors' columns, left'left or right'right: r x r.
function crossProducts(columns, d, rank) {
  const out = zeros(rank * rank);
  for (let k = 0; k < rank; k += 1) {
    for (let l = 0; l < rank; l += 1) for (let a = 0; a < d; a += 1) out[k * rank + l] += columns[k * d + a] * columns[l * d + a];
  }
  return out;
}

// The same matrix over its Frobenius norm, with factors of one size.
export function unitFactors(factors, d) {
  const rank = factors.length / (2 * d);
  const [left, right] = [factors.subarray(0, rank * d), factors.subarray(rank * d)];
  const norm = Math.sqrt(dot(crossProducts(left, d, rank), crossProducts(right, d, rank)));
  const ratio = Math.sqrt(Math.sqrt(dot(right, right) / dot(left, left)) / norm);
  return factors.map((v, i) => (i < rank * d ? v * ratio : v / (ratio * norm)));
}

// Kaufman's J'(I - F H^-1 F')J and J'e, with the normalisation of the matrix after each step accounted for.
function projectedSystem(data, state) {
  const { samples, tokens, d, X, Y } = data;
  const { factors, space, scores, coefficients, factor } = state;
  const rank = factors.length / (2 * d);
  const size = 2 * d * rank;
  const n = space.cells + DEGREE;
  const P = projections(data, factors.subarray(0, rank * d), rank);
  const square = zeros(size * size);
  const cross = zeros(n * size);
  const gradient = zeros(size);
  const [row, J, pulled] = [zeros(n), zeros(size), zeros(d)];
  for (let r = 0; r < samples * tokens; r += 1) {
    const self = r % tokens;
    row.fill(0);
    pulled.fill(0);
    for (let j = 0; j < tokens; j += 1) {
      if (j === self) continue;
      const cell = basisAt(scores[r * tokens + j], space);
      let slope = 0;
      for (let l = 0; l < 4; l += 1) {
        row[cell + l] += VALUES[l] / (tokens - 1);
        slope += SLOPES[l] * coefficients[cell + l];
      }
      const partner = (r - self + j) * d;
      for (let a = 0; a < d; a += 1) pulled[a] += (slope * X[partner + a]) / (tokens - 1);
    }
    for (let k = 0; k < rank; k += 1) {
      let along = 0;
      for (let a = 0; a < d; a += 1) along += pulled[a] * factors[(rank + k) * d + a];
      for (let a = 0; a < d; a += 1) {
        J[k * d + a] = X[r * d + a] * along;
        J[(rank + k) * d + a] = pulled[a] * P[r * rank + k];
      }
    }
    const residual = Y[r] - dot(row, coefficients);
    for (let a = 0; a < size; a += 1) {
      const weight = J[a];
      const base = a * size;
      gradient[a] += weight * residual;
      for (let b = 0; b <= a; b += 1) square[base + b] += weight * J[b];
    }
    for (let c = 0; c < n; c += 1) {
      const weight = row[c];
      const base = c * size;
      if (weight !== 0) for (let a = 0; a < size; a += 1) cross[base + a] += weight * J[a];
    }
  }
  // square - cross' H^-1 cross, by the half-solved columns L^-1 cross.
  for (let c = 0; c < n; c += 1) {
    for (let k = 0; k < c; k += 1) for (let a = 0; a < size; a += 1) cross[c * size + a] -= factor[c * n + k] * cross[k * size + a];
    for (let a = 0; a < size; a += 1) cross[c * size + a] /= factor[c * n + c];
  }
  for (let a = 0; a < size; a += 1) {
    for (let b = 0; b <= a; b += 1) {
      let sum = square[a * size + b];
      for (let c = 0; c < n; c += 1) sum -= cross[c * size + a] * cross[c * size + b];
      square[a * size + b] = square[b * size + a] = sum;
    }
  }
  return onSphere(square, gradient, factors, d, rank);
}

function onSphere(hessian, gradient, scale, d, rank) {
  const size = scale.length;
  const half = rank * d;
  const [leftSquare, rightSquare] = [crossProducts(scale.subarray(0, half), d, rank), crossProducts(scale.subarray(half), d, rank)];
  const normal = zeros(size);
  for (let k = 0; k < rank; k += 1) {
    for (let l = 0; l < rank; l += 1) {
      for (let a = 0; a < d; a += 1) {
        normal[k * d + a] += scale[l * d + a] * rightSquare[l * rank + k];
        normal[half + k * d + a] += scale[half + l * d + a] * leftSquare[l * rank + k];
      }
    }
  }
  const unit = dot(normal, scale);
  for (let a = 0; a < size; a += 1) normal[a] /= unit;
  const along = dot(scale, gradient);
  const bent = times(hessian, size, scale);
  const twice = dot(scale, bent);
  return {
    gradient: gradient.map((g, a) => g - normal[a] * along),
    hessian: hessian.map((h, place) => {
      const [a, b] = [Math.floor(place / size), place % size];
      return h - bent[a] * normal[b] - normal[a] * bent[b] + normal[a] * twice * normal[b];
    }),
  };
}

// Minimise the empirical risk over the matrices of this rank on one spline space. Stops when a step promises less
// than tolerance noise variances.
export function levenbergMarquardt(data, start, space, iterations, tolerance) {
  const size = start.length;
  let state = solveSpline(data, unitFactors(start, data.d), space);
  let damping = 1e-3;
  const floor = 1e-14 * dot(data.Y, data.Y);
  for (let iteration = 0; iteration < iterations; iteration += 1) {
    const { hessian, gradient } = projectedSystem(data, state);
    const smallest = Math.max((tolerance * state.objective) / data.Y.length, floor);
    let trace = 0;
    for (let a = 0; a < size; a += 1) trace += hessian[a * size + a];
    let next = null;
    for (; !next && damping <= 1e6; ) {
      const damped = Float64Array.from(hessian);
      for (let a = 0; a < size; a += 1) damped[a * size + a] += damping * Math.max(hessian[a * size + a], (1e-12 * trace) / size + 1e-300);
      const factor = cholesky(damped, size);
      const step = factor && choleskySolve(factor, size, gradient);
      if (!step || !step.every((v) => Math.abs(v) < 1e8)) {
        damping *= 8;
        continue;
      }
      const predicted = 2 * dot(step, gradient) - dot(step, times(hessian, size, step));
      if (predicted <= smallest) return { ...state, iterations: iteration };
      const trial = solveSpline(data, unitFactors(state.factors.map((v, a) => v + step[a]), data.d), space);
      const gain = (state.objective - trial.objective) / predicted;
      if (gain > 1e-3) {
        damping = Math.max(damping / (gain > 0.75 ? 9 : gain > 0.4 ? 3 : 1), 1e-7) * (gain > 0.2 ? 1 : 3);
        next = trial;
      } else damping *= 8;
    }
    if (!next) break;
    state = next;
  }
  return { ...state, iterations };
}

// The mean of a token's partners, for all tokens.
function partnerMeans({ samples, tokens, d, X }) {
  const means = zeros(X.length);
  for (let m = 0; m < samples; m += 1) {
    for (let a = 0; a < d; a += 1) {
      let sum = 0;
      for (let i = 0; i < tokens; i += 1) sum += X[(m * tokens + i) * d + a];
      for (let i = 0; i < tokens; i += 1) means[(m * tokens + i) * d + a] = (sum - X[(m * tokens + i) * d + a]) / (tokens - 1);
    }
  }
  return means;
}

// The factors to start from: Y regressed on token (x) mean of its partners, by a few conjugate gradients; the
// leading singular pairs of the matrix found.
export function linearStart(data, rank, iterations = 8) {
  const { d, X, Y } = data;
  const means = partnerMeans(data);
  const adjoint = (e) => {
    const out = zeros(d * d);
    for (let r = 0; r < e.length; r += 1) for (let a = 0; a < d; a += 1) for (let b = 0; b < d; b += 1) out[a * d + b] += e[r] * X[r * d + a] * means[r * d + b];
    return out;
  };
  const forward = (A) => Y.map((_, r) => {
    let sum = 0;
    for (let a = 0; a < d; a += 1) for (let b = 0; b < d; b += 1) sum += X[r * d + a] * A[a * d + b] * means[r * d + b];
    return sum;
  });
  const mean = Y.reduce((a, b) => a + b, 0) / Y.length;
  let residual = Y.map((v) => v - mean);
  let gradient = adjoint(residual);
  let direction = gradient;
  let squared = dot(gradient, gradient);
  const solution = zeros(d * d);
  for (let k = 0; k < Math.min(iterations, d * d); k += 1) {
    const image = forward(direction);
    const curvature = dot(image, image);
    if (!(curvature > 0)) break;
    const step = squared / curvature;
    direction.forEach((v, a) => { solution[a] += step * v; });
    residual = residual.map((v, r) => v - step * image[r]);
    gradient = adjoint(residual);
    const previous = squared;
    squared = dot(gradient, gradient);
    direction = gradient.map((v, a) => v + (squared / previous) * direction[a]);
  }
  return leadingPairs(solution, d, rank);
}

// The factors u sqrt(s), v sqrt(s) of the leading singular pairs, by orthogonal iteration.
function leadingPairs(matrix, d, rank) {
  const factors = zeros(2 * rank * d);
  const found = [];
  for (let k = 0; k < rank; k += 1) {
    let v = Float64Array.from({ length: d }, (_, a) => Math.cos(1 + a + 2 * k));
    let [u, length] = [zeros(d), 0];
    for (let sweep = 0; sweep < 60; sweep += 1) {
      for (const w of found) { const along = dot(v, w); v = v.map((x, a) => x - along * w[a]); }
      const norm = Math.sqrt(dot(v, v));
      v = v.map((x) => x / norm);
      u = times(matrix, d, v);
      length = Math.sqrt(dot(u, u)) || 1e-150;
      if (sweep < 59) v = v.map((_, b) => { let sum = 0; for (let a = 0; a < d; a += 1) sum += matrix[a * d + b] * u[a]; return sum; });
    }
    found.push(v);
    for (let a = 0; a < d; a += 1) {
      factors[k * d + a] = u[a] / Math.sqrt(length);
      factors[(rank + k) * d + a] = v[a] * Math.sqrt(length);
    }
  }
  return factors;
}

const CANDIDATES = [4, 6, 8, 12, 16, 24, 32, 48];
const COARSE = [6];

// Matrix and spline for these data: from the factors given (found on fewer data) or, also, from the linear start.
// Few cells first, where starts are compared: the risk is then smooth in the matrix.
export function fitInteraction(data, rank, { from = null, afresh = !from, tolerance = 1e-2 } = {}) {
  const coarse = (start) => levenbergMarquardt(data, start, chooseCells(data, start, COARSE), 10, 1);
  const found = afresh ? [from, linearStart(data, rank)].filter(Boolean).map(coarse) : [{ factors: from, objective: 0 }];
  const { factors } = found.reduce((a, b) => (b.objective < a.objective ? b : a));
  return levenbergMarquardt(data, factors, chooseCells(data, factors, CANDIDATES), 20, tolerance);
}
