// Lower-bound explorer: bumps, their energies, Assouad and Fano, as pairint.theory.lower.
import { bestIntervals, terms } from "./budget.js";
import { normalCdf } from "./normal.js";
import { linspace, logspace } from "./plotkit.js";

// The family of K bumps: width, amplitude and the energy of each bump.
function family(count, p, odd, data) {
  const k = Math.ceil(p.beta) - 1;
  const profile = data.profiles[odd ? "odd" : "plain"][k];
  const alpha = p.beta - k;
  const holder = profile.slope ** alpha * profile.span ** (1 - alpha);
  const [low, high] = data.interval;
  const width = (high - low) / count;
  const amplitude = (p.holder / holder) * width ** p.beta;
  const copies = odd ? 2 : 1;
  const squares = data.nodes.map((t) => copies * (amplitude * (1 - t * t) ** (k + 1)) ** 2);
  const energies = Array.from({ length: count }, (_, i) => {
    const centre = low + width * (i + 0.5);
    let sum = 0;
    data.nodes.forEach((t, j) => {
      sum += data.weights[j] * squares[j] * density(centre + (width * t) / 2, data.score_bound);
    });
    return (width / 2) * sum;
  });
  return { k, width, amplitude, energies };
}

const density = (u, bound) => Math.log(bound / Math.abs(u)) / (2 * bound);

const guessing = (kl) => normalCdf(-Math.sqrt(kl / 2));

export function compute(p, data) {
  const odd = p.argument === "odd";
  const perEnergy = (m) => (m * p.tokens) / (2 * p.noise ** 2) / (odd ? p.tokens - 1 : 1);
  const assouad = (f, m) => f.energies.reduce((sum, e) => sum + e * guessing(e * perEnergy(m)), 0) / 2;
  const fano = (f, m) => {
    const count = f.energies.length;
    const kl = (f.energies.reduce((a, b) => a + b, 0) / 4) * perEnergy(m);
    const separation = Math.ceil(count / 8) * Math.min(...f.energies);
    const words = (count / 8) * Math.LN2;
    return { kl, separation, words, value: (separation / 4) * Math.max(1 - (kl + Math.LN2) / words, 0) };
  };
  const families = data.counts.map((count) => family(count, p, odd, data));
  const chosen = family(p.bumps, p, odd, data);
  const series = {};

  // The hypothesis of a word and its neighbour.
  const [low, high] = data.interval;
  const middle = Math.floor(p.bumps / 2);
  const bump = (u) => {
    const position = (u - low) / chosen.width;
    const cell = Math.min(Math.max(Math.floor(position), 0), p.bumps - 1);
    const t = 2 * (position - cell - 0.5);
    return [cell, Math.abs(t) <= 1 ? chosen.amplitude * (1 - t * t) ** (chosen.k + 1) : 0];
  };
  const hypothesis = (flipped) => (u) => {
    const half = (v) => {
      const [cell, height] = bump(v);
      return height * (cell === middle && flipped ? 1 - data.word[cell] : data.word[cell]);
    };
    return half(u) - (odd ? half(-u) : 0);
  };
  const grid = linspace(odd ? -high : low, high, data.grid);
  series["hypotheses.one"] = { x: grid, y: grid.map(hypothesis(false)) };
  series["hypotheses.two"] = { x: grid, y: grid.map(hypothesis(true)) };

  // Guessing between the two.
  const neighbour = chosen.energies[middle];
  const samples = logspace(...data.samples);
  series["guess.curve"] = { x: samples, y: samples.map((m) => guessing(neighbour * perEnergy(m))) };
  const kl = neighbour * perEnergy(p.samples);
  series["guess.here"] = { x: [p.samples], y: [guessing(kl)] };

  // The bound against the number of bumps, then against the number of samples.
  const byCount = families.map((f) => assouad(f, p.samples));
  const best = byCount.indexOf(Math.max(...byCount));
  series["bumps.assouad"] = { x: data.counts, y: byCount };
  const fanos = families.map((f) => fano(f, p.samples).value);
  const useful = data.counts.map((_, i) => i).filter((i) => data.counts[i] >= 8 && fanos[i] > 0);
  series["bumps.fano"] = { x: useful.map((i) => data.counts[i]), y: useful.map((i) => fanos[i]) };
  const here = assouad(chosen, p.samples);
  series["bumps.here"] = { x: [p.bumps], y: [here] };
  series["bumps.best"] = { x: [data.counts[best]], y: [byCount[best]] };

  const exponent = (2 * p.beta) / (2 * p.beta + 1);
  const bound = samples.map((m) => Math.max(...families.map((f) => assouad(f, m))));
  const last = samples.length - 1;
  series["samples.bound"] = { x: samples, y: bound };
  series["samples.slope"] = { x: samples, y: samples.map((m) => bound[last] * (m / samples[last]) ** -exponent) };
  const q = { ...p, d: 1, rank: 1 };
  series["samples.budget"] = {
    x: samples,
    y: samples.map((m) => {
      const count = Math.round(m);
      const t = terms(count, bestIntervals(count, q, data.score_bound), q, data.score_bound);
      return t.bias + t.variance;
    }),
  };
  series["samples.here"] = { x: [p.samples], y: [byCount[best]] };

  const verdict = p.bumps >= 8 ? fano(chosen, p.samples) : null;
  return {
    series,
    facts: {
      kl,
      error: guessing(kl),
      separation: neighbour,
      bound: here,
      best: byCount[best],
      best_bumps: data.counts[best],
      exponent,
      fano: !verdict
        ? data.verdicts.few
        : verdict.value > 0 ? data.verdicts.works : data.verdicts.fails,
      fano_kl: verdict ? verdict.kl : 0,
      fano_words: verdict ? verdict.words : 0,
    },
  };
}
