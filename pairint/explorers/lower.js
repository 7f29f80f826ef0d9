// Lower-bound explorer: bumps, Assouad and Fano, as pairint.theory.lower for a score of uniform law.
import { bestIntervals, terms } from "./formulas/budget.js";
import { normalCdf } from "./formulas/normal.js";
import { fill, linspace, logspace } from "./kit/numbers.js";

const drawn = [];

// Scores of the drawn outputs, uniform on [-1, 1]: the generator of Lehmer, Park and Miller, as in lower.py.
function unitScores({ outputs, partners, seed }) {
  if (!drawn.length) {
    let state = seed;
    for (let i = 0; i < 2 * outputs; i += 1) {
      drawn.push(Array.from({ length: partners }, () => {
        state = (state * 16807) % 2147483647;
        return (2 * state) / 2147483647 - 1;
      }));
    }
  }
  return drawn;
}

export function compute(p, data) {
  const odd = p.argument === "odd";
  const bound = data.score_bound;
  const k = Math.ceil(p.beta) - 1;
  const profile = data.profiles[odd ? "odd" : "plain"][k];
  const holder = profile.slope ** (p.beta - k) * profile.span ** (1 - p.beta + k);
  const width = (count) => bound / count;
  const amplitude = (count) => (p.holder / holder) * width(count) ** p.beta;
  const energy = (count) =>
    ((odd ? 2 : 1) * amplitude(count) ** 2 * width(count) * profile.squared_norm) / (2 * bound);
  const perEnergy = (m) => (m * p.tokens) / (2 * p.noise ** 2) / (odd ? p.tokens - 1 : 1);
  const guessing = (kl) => normalCdf(-Math.sqrt(kl / 2));
  const assouad = (count, m) => (count * energy(count) * guessing(energy(count) * perEnergy(m))) / 2;
  const fano = (count, m) => {
    const kl = ((count * energy(count)) / 4) * perEnergy(m);
    const words = (count / 8) * Math.LN2;
    return { kl, words, value: ((Math.ceil(count / 8) * energy(count)) / 4) * Math.max(1 - (kl + Math.LN2) / words, 0) };
  };
  const series = {};

  // The hypothesis of a word and its neighbour.
  const middle = Math.floor(p.bumps / 2);
  const half = (u, flipped) => {
    const position = u / width(p.bumps);
    const cell = Math.min(Math.max(Math.floor(position), 0), p.bumps - 1);
    const t = 2 * (position - cell - 0.5);
    const weight = cell === middle && flipped ? 1 - data.word[cell] : data.word[cell];
    return Math.abs(t) <= 1 ? weight * amplitude(p.bumps) * (1 - t * t) ** (k + 1) : 0;
  };
  const grid = linspace(odd ? -bound : 0, bound, data.grid);
  const { outputs } = data.draws;
  [["one", false], ["two", true]].forEach(([key, flipped], law) => {
    const phi = (u) => half(u, flipped) - (odd ? half(-u, flipped) : 0);
    series[`hypotheses.${key}`] = { x: grid, y: grid.map(phi) };
    // Outputs drawn from it: each averages the tokens' N - 1 scores; shown against the first of them.
    const rows = unitScores(data.draws).slice(law * outputs, (law + 1) * outputs).map((row) => row.slice(0, p.tokens - 1));
    series[`data.${key}`] = {
      x: rows.map((row) => bound * row[0]),
      y: rows.map((row, i) => row.reduce((sum, u) => sum + phi(bound * u), 0) / row.length + p.noise * data.noise[law][i]),
    };
  });

  // Guessing between the two.
  const separation = energy(p.bumps);
  const samples = logspace(...data.samples);
  const kl = separation * perEnergy(p.samples);
  series["guess.curve"] = { x: samples, y: samples.map((m) => guessing(separation * perEnergy(m))) };
  series["guess.here"] = { x: [p.samples], y: [guessing(kl)] };

  // The bound against the number of bumps, then against the number of samples.
  const energies = data.counts.map(energy);
  const best = (m) => {
    const scale = perEnergy(m);
    let top = { count: 1, value: -1 };
    energies.forEach((e, i) => {
      if (data.counts[i] * e <= 4 * top.value) return; // guessing is at most 1/2: it cannot win
      const value = (data.counts[i] * e * guessing(e * scale)) / 2;
      if (value > top.value) top = { count: data.counts[i], value };
    });
    return top;
  };
  const bestCount = best(p.samples).count;
  const shown = data.counts.filter((count) => count <= Math.max(data.fewest, 8 * bestCount));
  const useful = shown.filter((count) => count >= 8 && fano(count, p.samples).value > 0);
  series["bumps.assouad"] = { x: shown, y: shown.map((count) => assouad(count, p.samples)) };
  series["bumps.fano"] = { x: useful, y: useful.map((count) => fano(count, p.samples).value) };
  series["bumps.here"] = { x: [p.bumps], y: [assouad(p.bumps, p.samples)] };
  series["bumps.best"] = { x: [bestCount], y: [assouad(bestCount, p.samples)] };

  const exponent = (2 * p.beta) / (2 * p.beta + 1);
  const bounds = samples.map((m) => best(m).value);
  const last = samples.length - 1;
  series["samples.bound"] = { x: samples, y: bounds };
  series["samples.slope"] = { x: samples, y: samples.map((m) => data.shift * bounds[last] * (m / samples[last]) ** -exponent) };
  const q = { ...p, d: 1, rank: 1 };
  series["samples.budget"] = {
    x: samples,
    y: samples.map((m) => {
      const count = Math.round(m);
      const t = terms(count, bestIntervals(count, q, bound), q, bound);
      return t.bias + t.variance;
    }),
  };
  series["samples.here"] = { x: [p.samples], y: [assouad(bestCount, p.samples)] };

  const verdict = p.bumps >= 8 ? fano(p.bumps, p.samples) : null;
  const proved = guessing(kl) >= data.improbable ? "" : "no ";
  let words = data.verdicts.few;
  if (verdict) words = verdict.value > 0 ? data.verdicts.works : data.verdicts.fails;
  return {
    series,
    facts: {
      guess: fill(data.words[`${proved}guess`], { error: guessing(kl) }),
      assouad: fill(data.words[`${proved}assouad`], { bound: assouad(p.bumps, p.samples) }),
      partners: p.tokens - 1,
      kl,
      error: guessing(kl),
      separation,
      bound: assouad(p.bumps, p.samples),
      best: assouad(bestCount, p.samples),
      best_bumps: bestCount,
      exponent,
      fano: words,
      fano_kl: verdict ? verdict.kl : 0,
      fano_words: verdict ? verdict.words : 0,
    },
  };
}
