// The limiting spectrum of a noisy attention matrix, as pairint.aim.spectrum.NoisySpectrum: everything is
// parametrised by the denoised eigenvalue f > 0, with a = sqrt(rho) and b = a delta.

// Nodes of the tanh-sinh rule: distances to both ends are kept apart, as the density vanishes there.
const NODES = (() => {
  const step = 1 / 24;
  const count = Math.trunc(3.4 / step);
  return Array.from({ length: 2 * count + 1 }, (_, i) => {
    const t = (i - count) * step;
    const u = 0.5 * Math.PI * Math.sinh(t);
    const [left, right] = [1 / (1 + Math.exp(-2 * u)), 1 / (1 + Math.exp(2 * u))];
    return { left, right, weight: step * Math.PI * Math.cosh(t) * left * right };
  });
})();

// All roots of x^4 + c3 x^3 + c2 x^2 + c1 x + c0 (Durand and Kerner), as [real, imaginary].
function quarticRoots([c3, c2, c1, c0]) {
  const size = 1 + Math.max(Math.abs(c3), Math.abs(c2) ** 0.5, Math.abs(c1) ** (1 / 3), Math.abs(c0) ** 0.25);
  const roots = [0, 1, 2, 3].map((k) => [size * Math.cos(0.4 + 1.6 * k), size * Math.sin(0.4 + 1.6 * k)]);
  for (let sweep = 0; sweep < 200; sweep += 1) {
    let moved = 0;
    for (let i = 0; i < 4; i += 1) {
      const [x, y] = roots[i];
      let [p, q] = [1, 0];
      for (const c of [c3, c2, c1, c0]) [p, q] = [p * x - q * y + c, p * y + q * x];
      for (let j = 0; j < 4; j += 1) {
        if (j === i) continue;
        const [u, v] = [x - roots[j][0], y - roots[j][1]];
        const norm = u * u + v * v || 1e-300;
        [p, q] = [(p * u + q * v) / norm, (q * u - p * v) / norm];
      }
      roots[i] = [x - p, y - q];
      moved = Math.max(moved, Math.hypot(p, q) / (Math.hypot(x, y) || 1));
    }
    if (moved < 1e-15) break;
  }
  return roots;
}

export function noisySpectrum(rho, delta) {
  const a = Math.sqrt(rho);
  const b = a * delta;
  const s = (f) => a - rho / f + 1 / (b + f);
  const x = (f) => f + delta * s(f);
  const slope = (f) => 1 + delta * (rho / f ** 2 - 1 / (b + f) ** 2);
  const densityAt = (f) => Math.sqrt(Math.max(a / (b + f) - 0.25 * s(f) ** 2, 0)) / Math.PI;

  // Edges f = b (v^2 - 1), v the real roots of a quartic.
  const c = Math.sqrt(a * b);
  const roots = quarticRoots([-2 * c, 1 - rho - c * c, 2 * c, -1].map((value) => value / (c * c)));
  const real = ([, imaginary], tolerance = 1e-9) => Math.abs(imaginary) < tolerance;
  const isReal = (z) => real(z, 1e-9 * Math.hypot(...z));
  let edges = roots.filter(isReal).map(([v]) => b * (v * v - 1)).filter((f) => f > 0).sort((p, q) => p - q);
  if (edges.length === 3) edges = [edges[0], edges[2]];
  const bulks = [];
  for (let i = 0; i + 1 < edges.length; i += 2) bulks.push([edges[i], edges[i + 1]]);
  let pieces = bulks;
  if (bulks.length === 1) {
    // One bulk about to split: cut the integral where the branch points come close.
    const [low, high] = bulks[0];
    const cut = roots
      .filter((z) => !isReal(z))
      .map(([v, w]) => b * (v * v - w * w - 1))
      .find((f) => low < f && f < high);
    if (cut !== undefined) pieces = [[low, cut], [cut, high]];
  }
  let [learned, squares] = [0, 0];
  for (const [low, high] of pieces) {
    const span = Math.log(high / low);
    for (const { left, right, weight } of NODES) {
      const f = left < right ? low * Math.exp(span * left) : high * Math.exp(-span * right);
      const density = densityAt(f);
      const probability = density * slope(f) * f * span * weight;
      learned += probability * (f - a) ** 2;
      squares += probability * density ** 2;
    }
  }
  const dimension = delta > 1 ? (1 - learned) / delta : 1 - ((4 * Math.PI ** 2) / 3) * delta * squares;
  return { bulks, x, densityAt, dimension, mmse: delta * dimension };
}
