// The game: dots drawn from one of two truths, the best test, and the reader's answers.
import { bumpFamily } from "../formulas/bumps.js";
import { normalCdf } from "../formulas/normal.js";
import { makeButton } from "../kit/buttons.js";
import { node } from "../kit/controls.js";
import { linspace, logspace, short } from "../kit/numbers.js";

const NAMES = ["A", "B"];

// Numbers of a round, uniform between 0 and 1: the generator of Lehmer, Park and Miller, as in game.py.
function uniforms(round, count, { modulus, factor, seed, stride }) {
  let state = seed;
  for (let i = 0; i < stride * (round - 1); i += 1) state = (state * factor) % modulus;
  return Array.from({ length: count }, () => {
    state = (state * factor) % modulus;
    return state / modulus;
  });
}

function drawRound(round, samples, truths, data) {
  const numbers = uniforms(round, 1 + 3 * samples, data.draws);
  const truth = numbers[0] < 0.5 ? 1 : 0;
  const [scores, outputs] = [[], []];
  for (let i = 1; i < numbers.length; i += 3) {
    const u = data.bound * (2 * numbers[i] - 1);
    const size = data.noise * Math.sqrt(-2 * Math.log(numbers[i + 1]));
    const angle = 2 * Math.PI * numbers[i + 2];
    scores.push(u, u);
    outputs.push(truths[truth](u) + size * Math.cos(angle), truths[truth](u) + size * Math.sin(angle));
  }
  return { truth, scores, outputs };
}

export function compute(p, data) {
  const { beta, holder, bound, profile, tokens } = data;
  const family = bumpFamily({ beta, holder, count: data.bumps, bound, profile });
  const truths = data.words.map(family.activation);
  const { truth, scores, outputs } = drawRound(p.round, p.samples, truths, data);
  let [evidence, squares] = [0, 0];
  scores.forEach((u, i) => {
    const [one, two] = truths.map((phi) => phi(u));
    evidence += (two - one) * (outputs[i] - (one + two) / 2);
    squares += (two - one) ** 2;
  });
  const chance = normalCdf(Math.sqrt(squares) / data.noise / 2);
  const rate = (tokens * family.energy) / (2 * data.noise ** 2 * (tokens - 1));
  const right = (m) => 1 - normalCdf(-Math.sqrt((rate * m) / 2));
  const u = linspace(-bound, bound, data.grid);
  const grid = logspace(...data.samples);
  return {
    series: {
      "dots.outputs": { x: scores, y: outputs },
      "dots.one": { x: u, y: u.map(truths[0]) },
      "dots.two": { x: u, y: u.map(truths[1]) },
      "score.bound": { x: grid, y: grid.map((m) => data.game * right(m)) },
      "score.here": { x: [p.samples], y: [data.game * chance] },
    },
    facts: {
      turn: ((p.round - 1) % data.game) + 1,
      rounds: data.game,
      dots: tokens * p.samples,
      truth,
      verdict: evidence > 0 ? 1 : 0,
      chance,
      bound: right(p.samples),
    },
  };
}

// The buttons under the charts, the answers so far, and what they add to the drawing.
compute.extra = ({ spec, handle, change, redraw }) => {
  const answers = new Map(); // round to its answer
  const size = spec.data.game;
  let focused = null; // who is to have the focus once it is shown
  const first = () => handle.values.round - handle.facts.turn + 1;
  const ofThisGame = () => [...answers].filter(([round]) => round >= first() && round < first() + size).map(([, a]) => a);
  const answer = (guess) => () => {
    const { truth, verdict, chance } = handle.facts;
    answers.set(handle.values.round, { guess, truth, verdict, chance, samples: handle.values.samples });
    focused = next;
    redraw();
  };
  const choices = NAMES.map((name, guess) => makeButton(`${name} made them`, `Say that truth ${name} made the dots`, answer(guess)));
  const next = makeButton("Next round", "Draw new dots", () => {
    const last = spec.parameters.find((p) => p.key === "round").maximum;
    focused = choices[0];
    change({ round: handle.values.round === last ? 1 : handle.values.round + 1 });
  });
  const words = node("span", { role: "status" });
  const root = node("div", { className: "extra" }, ...choices, next, words);

  const verdictOf = ({ guess, truth, verdict }) =>
    `${guess === truth ? "Right" : "Wrong"}: it was ${NAMES[truth]}. The best test said ${NAMES[verdict]}. `;
  const scoreOf = (played) => {
    const total = (f) => played.reduce((sum, a) => sum + f(a), 0);
    const you = total((a) => (a.guess === a.truth ? 1 : 0));
    const best = total((a) => (a.verdict === a.truth ? 1 : 0));
    return `Of ${played.length}: you ${you}, best test ${best} (expected ${short(total((a) => a.chance))}).`;
  };
  return {
    root,
    series: () => {
      const played = ofThisGame();
      if (!played.length) return {};
      const samples = Math.exp(played.reduce((sum, a) => sum + Math.log(a.samples), 0) / played.length);
      const share = played.filter((a) => a.guess === a.truth).length / played.length;
      return { "score.you": { x: [samples], y: [size * share] } };
    },
    show: () => {
      const now = answers.get(handle.values.round);
      const played = ofThisGame();
      for (const button of choices) button.hidden = Boolean(now);
      next.hidden = !now;
      focused?.focus({ preventScroll: true });
      focused = null;
      words.textContent = `${now ? verdictOf(now) : ""}${played.length ? scoreOf(played) : "Look at the dots: who made them?"}`;
    },
  };
};
