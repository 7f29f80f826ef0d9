// AIM explorer: state evolution as pairint.aim.state_evolution; kappa of hardmax from Chebyshev series.
import { fill, linspace, logspace } from "./kit/numbers.js";
import { increasingRoot } from "./formulas/roots.js";
import { noisySpectrum } from "./formulas/spectrum.js";

// Clenshaw's sum of a Chebyshev series on [0, 1].
function chebyshev(series, u) {
  const y = 2 * u - 1;
  let [b1, b2] = [0, 0];
  for (let k = series.length - 1; k >= 1; k -= 1) [b1, b2] = [series[k] + 2 * y * b1 - b2, b1];
  return series[0] + y * b1 - b2;
}

export function compute(p, data) {
  const hardmax = p.channel === "hardmax";
  const tokens = hardmax ? Math.min(p.tokens, data.most_tokens) : p.tokens;
  const constant = { softmax: tokens * (tokens + 1) - 2, linear: tokens * (tokens + 1) }[p.channel];
  const kappa = (tau) => {
    if (!hardmax) return constant;
    const u = 1 / Math.sqrt(1 + tau);
    return u * chebyshev(data.hardmax[tokens], u);
  };
  const { rho, alpha } = p;
  const samplesAt = (spectrum) => spectrum.dimension / kappa((1 + rho - spectrum.mmse) / spectrum.mmse);
  const count = rho < 1 ? 2 * rho - rho * rho : 1;
  const exact = hardmax ? Infinity : count / constant;
  const threshold = 1 / kappa(0);
  const narrow = rho <= data.narrow;
  const series = {};

  const noises = logspace(...data.noise).reverse();
  const spectra = noises.map((delta) => noisySpectrum(rho, delta));
  const curve = { x: spectra.map(samplesAt), y: spectra.map((s) => s.mmse) };
  series["error.curve"] = curve;
  if (Number.isFinite(exact)) series["error.exact"] = { at: exact };
  if (narrow) series["error.weak"] = { at: rho * threshold };

  // The equivalent noise at the chosen alpha: alpha falls with it, so bisect in its logarithm.
  let noise = 0;
  if (alpha < exact) {
    const next = curve.x.findIndex((x) => x > alpha);
    let [low, high] = next > 0 ? [Math.log(noises[next]), Math.log(noises[next - 1])] : [-80, 80];
    for (let i = 0; i < (next > 0 ? 44 : 60); i += 1) {
      const middle = (low + high) / 2;
      if (samplesAt(noisySpectrum(rho, Math.exp(middle))) > alpha) low = middle;
      else high = middle;
    }
    noise = Math.exp((low + high) / 2);
  }
  const spectrum = noise > 0 ? noisySpectrum(rho, noise) : null;
  const mmse = spectrum ? spectrum.mmse : 0;
  series["error.here"] = { x: [alpha], y: [mmse] };

  const a = Math.sqrt(rho);
  const angles = linspace(0, Math.PI, data.grid);
  const [left, right] = [(1 - a) ** 2 / a, (1 + a) ** 2 / a];
  const clean = angles.slice(3, -1).map((t) => left + ((right - left) * (1 - Math.cos(t))) / 2);
  const wishart = (v) => (a * Math.sqrt(Math.max((v - left) * (right - v), 0))) / (2 * Math.PI * v);
  const start = Math.abs(a - 1) < data.square ? [] : [left];
  series["spectrum.clean"] = { x: [...start, ...clean, right], y: [...start.map(() => 0), ...clean.map(wishart), 0] };
  let ends;
  if (spectrum) {
    const noisy = { x: [], y: [] };
    spectrum.bulks.forEach(([low, high], i) => {
      const [start, end] = [spectrum.x(low), spectrum.x(high)];
      const inside = angles.slice(1, -1).map((t) => start + ((end - start) * (1 - Math.cos(t))) / 2);
      const denoised = inside.map((x) => increasingRoot(spectrum.x, x, low, high));
      noisy.x.push(start, ...inside, end);
      noisy.y.push(0, ...denoised.map(spectrum.densityAt), 0);
      series[`denoiser.${["first", "second"][i]}`] = { x: inside, y: denoised };
    });
    series["spectrum.noisy"] = noisy;
    ends = [noisy.x[0], noisy.x[noisy.x.length - 1]];
  } else { // the copy has no noise: it is the matrix, and nothing is left to do
    series["spectrum.noisy"] = series["spectrum.clean"];
    ends = [rho < 1 ? 0 : left, right];
    series["denoiser.first"] = { x: ends, y: ends };
  }
  series["denoiser.identity"] = { x: ends, y: ends };
  const bulks = spectrum ? spectrum.bulks.length : 0;
  return {
    series,
    facts: {
      tokens,
      mmse,
      noise,
      exact: Number.isFinite(exact) ? exact : "–",
      recovery: Number.isFinite(exact) ? fill(data.words.recovery, { exact }) : data.words.never,
      narrow: narrow ? fill(data.words.narrow, { threshold, weak: rho * threshold }) : "",
      bulks: data.words.bulks[bulks],
      note: (tokens < p.tokens ? data.words.most : "") +
        (hardmax && tokens > 2 ? fill(data.words.about, { percent: data.percent[tokens] }) : ""),
    },
  };
}
