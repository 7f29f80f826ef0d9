// The eavesdropper: tokens to move, of which only an average is heard; a guess to draw; and a fit, made here from data
// drawn here, of which neither the matrix nor the function is told.
//
// Unlike the other figures it is no chart over controls: it has a mount of its own.
import { fitInteraction, firstSamples, scoresOf, unitFactors } from "./formulas/leastsquares.js";
import { freshSeed, makeRandom } from "./formulas/random.js";
import { roughFunction } from "./formulas/rough.js";
import { splineAt } from "./formulas/splines.js";
import { makeControl, node } from "./kit/controls.js";
import { makeDraggable } from "./kit/drag.js";
import { attachPen, clamp, makeGuess } from "./kit/draw.js";
import { followAddress, followSetting, tellSetting } from "./kit/follow.js";
import { followKernel, staticModel, tellKernel } from "./kit/kernel.js";
import { fill, linspace } from "./kit/numbers.js";
import { currentScheme, watchScheme } from "./kit/palette.js";
import { FONT, bind, escapeText, round } from "./kit/panel.js";
import { makeUpdates } from "./kit/updates.js";
import { legalValues, makeValues } from "./kit/values.js";

const SIDE = Math.sqrt(3); // tokens are uniform on [-SIDE, SIDE]^d

// What is hidden: the function, and the factors of the matrix, which has equal singular values.
function secretOf(p, data, index) {
  const { phases, left, right } = data.secrets[index];
  const columns = [left, right].flatMap((side) => orthonormal(side.map((column) => column.slice(0, p.d))));
  return { phi: roughFunction(p.beta, phases, data.bound), factors: unitFactors(Float64Array.from(columns.flat()), p.d) };
}

function orthonormal(columns) {
  const found = [];
  for (const column of columns) {
    const along = found.map((v) => v.reduce((sum, x, a) => sum + x * column[a], 0));
    const rest = column.map((x, a) => x - found.reduce((sum, v, k) => sum + along[k] * v[a], 0));
    const size = Math.hypot(...rest);
    found.push(rest.map((x) => x / size));
  }
  return found;
}

// What the listener's partners give, and their scores.
function listened(places, listener, { phi, factors }, d) {
  const X = Float64Array.from(places.flatMap((place) => place.slice(0, d)));
  const scores = scoresOf({ samples: 1, tokens: places.length, d, X }, factors);
  const partners = places.map((_, j) => j).filter((j) => j !== listener);
  const heard = partners.map((j) => scores[listener * places.length + j]);
  return { partners, scores: heard, given: heard.map(phi) };
}

// The numbers of a scene, as compute of eavesdropper.py.
export function compute(p, data, { places = data.places, listener = 0, noise = data.first_noise, secret = 0 } = {}) {
  const hidden = secretOf(p, data, secret);
  const scene = listened(places, listener, hidden, p.d);
  const average = scene.given.reduce((a, b) => a + b, 0) / scene.given.length + data.noise * noise;
  const grid = linspace(-data.bound, data.bound, data.grid);
  const lines = scene.partners.flatMap((j) => [places[listener], places[j]]);
  return {
    hidden,
    scene,
    series: {
      "room.lines": { x: lines.map((x) => x[0]), y: lines.map((x) => x[1]) },
      "room.partners": { x: scene.partners.map((j) => places[j][0]), y: scene.partners.map((j) => places[j][1]) },
      "room.listener": { x: [places[listener][0]], y: [places[listener][1]] },
      "curve.truth": { x: grid, y: grid.map(hidden.phi) },
      "curve.given": { x: scene.scores, y: scene.given },
      "curve.average": { at: average },
    },
    facts: { average },
  };
}

// Rounds of tokens in new places, each with the noisy averages that all tokens hear.
export function drawRounds(hidden, data, d, seed) {
  const { samples, tokens, noise } = data;
  const random = makeRandom(seed);
  const X = Float64Array.from({ length: samples * tokens * d }, () => SIDE * (2 * random.uniform() - 1));
  const drawn = { samples, tokens, d, X, Y: new Float64Array(samples * tokens) };
  const given = scoresOf(drawn, hidden.factors).map((u) => hidden.phi(u));
  for (let r = 0; r < drawn.Y.length; r += 1) {
    let sum = 0;
    for (let j = 0; j < tokens; j += 1) if (j !== r % tokens) sum += given[r * tokens + j];
    drawn.Y[r] = sum / (tokens - 1) + noise * random.normal();
  }
  return drawn;
}

// Root mean squares over fresh pairs: of the fit's error, of the guess's (null without a guess).
export function errorsOf(fit, guess, hidden, data, d, seed) {
  const random = makeRandom(seed);
  const X = Float64Array.from({ length: 2 * data.pairs * d }, () => SIDE * (2 * random.uniform() - 1));
  const pairs = { samples: data.pairs, tokens: 2, d, X };
  const [truth, fitted] = [scoresOf(pairs, hidden.factors), scoresOf(pairs, fit.factors)];
  const phiHat = splineOf(fit);
  let [ofFit, ofGuess] = [0, guess.empty() ? null : 0];
  for (let m = 0; m < data.pairs; m += 1) {
    const value = hidden.phi(truth[4 * m + 1]);
    ofFit += (phiHat(fitted[4 * m + 1]) - value) ** 2;
    if (ofGuess !== null) ofGuess += (guess.at(truth[4 * m + 1]) - value) ** 2;
  }
  const root = (sum) => Math.sqrt(sum / data.pairs);
  return { fit_error: root(ofFit), guess_error: ofGuess === null ? null : root(ofGuess), X };
}

const splineOf = ({ coefficients, space }) => (u) => splineAt(u, coefficients, space.lower, space.upper, 3);

// Matrix and function are known up to one sign: with (A, phi(u)) also (-A, phi(-u)) gives all averages. The fit is drawn
// with the sign of the truth.
function signOf(fit, hidden, d) {
  const half = fit.factors.length / 2;
  let sum = 0;
  for (let k = 0; k < half; k += d) {
    for (let l = 0; l < half; l += d) {
      let [left, right] = [0, 0];
      for (let a = 0; a < d; a += 1) {
        left += fit.factors[k + a] * hidden.factors[l + a];
        right += fit.factors[half + k + a] * hidden.factors[half + l + a];
      }
      sum += left * right;
    }
  }
  return sum < 0 ? -1 : 1;
}

let eavesdroppers = 0;

export function mount({ model, el }) {
  const spec = model.get("spec");
  const { data } = spec;
  const { words } = data;
  const live = Boolean(model.get("live"));
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  eavesdroppers += 1;
  const prefix = `pairint-${spec.name}-${eavesdroppers}`;
  const handle = { values: {}, series: {}, facts: {}, summary: "", timings: [], live, phase: "ask", settled: false };
  const values = makeValues(spec.parameters, { ...spec.values, ...(model.get("values") ?? {}) });
  const updates = makeUpdates(handle, update);
  const noises = makeRandom(freshSeed());
  const guess = makeGuess(data.nodes, -data.bound, data.bound);
  const scene = { places: data.places.map((place) => [...place]), listener: 0, noise: data.first_noise, secret: 0 };
  const told = { fit: null, sign: 1, heard: 0, errors: null, rounds: null };
  let [trace, traced, relisten, run, restless] = [[], null, 0, 0, 0];

  // The elements.
  const room = node("div", { className: "room" });
  const sheet = node("div", { className: "sheet" });
  const pad = node("div", { className: "pad", tabIndex: 0, role: "slider", "aria-label": words.pad, "aria-valuemin": -data.height, "aria-valuemax": data.height, "data-lm-suppress-shortcuts": "true" });
  sheet.append(pad);
  const hint = node("span", { id: `${prefix}-keys`, className: "unseen", textContent: words.keys });
  const tokens = scene.places.map((_, i) => node("button", { type: "button", className: "token", "aria-describedby": hint.id, "data-token": i, "data-lm-suppress-shortcuts": "true" }));
  room.append(...tokens);
  const summary = node("p", { className: "summary", "aria-live": "polite" });
  const controls = spec.parameters.map((p) => makeControl(p, `${prefix}-${p.key}`, (key, value) => change({ [key]: value })));
  const act = node("button", { type: "button", className: "act", "data-lm-suppress-shortcuts": "true" });
  const erase = node("button", { type: "button", className: "erase", textContent: words.erase, "data-lm-suppress-shortcuts": "true" });
  const title = node("div", { className: "title", id: `${prefix}-title`, textContent: spec.title });
  const made = node("p", {});
  const details = node("details", {}, node("summary", { textContent: words.how }), node("p", { textContent: words.model }), made);
  const app = node(
    "div",
    { className: "app eaves", role: "group" },
    title,
    node("div", { className: "stage" }, room, sheet),
    summary,
    node("div", { className: "deck" }, ...controls.map((c) => c.root), node("div", { className: "acts" }, act, erase)),
    hint,
    details,
  );
  app.setAttribute("aria-labelledby", `${prefix}-title`);
  el.dataset.pairintExplorer = spec.name;
  el.setAttribute("data-lm-suppress-shortcuts", "true");
  const root = el.shadowRoot ?? el.attachShadow({ mode: "open" });
  root.replaceChildren(node("style", { textContent: PLOTKIT_CSS }), app, node("slot", { name: "picture" }));
  app.classList.toggle("calm", calm);

  // What the reader does.
  tokens.forEach((button, i) => makeDraggable(button, {
    step: 6,
    onStart: rest,
    onMove: (dx, dy) => {
      const unit = (2 * SIDE) / roomSize().inner;
      const place = scene.places[i];
      place[0] = Math.min(Math.max(place[0] + dx * unit, -SIDE), SIDE);
      place[1] = Math.min(Math.max(place[1] - dy * unit, -SIDE), SIDE);
      moved(i);
    },
    onPress: () => {
      rest();
      scene.listener = i;
      moved(i);
    },
  }));
  const frame = () => sheetFrame(sheet.clientWidth, sheet.clientHeight, data);
  const pen = attachPen(pad, guess, {
    toPoint: (x, y) => frame().invert(x, y),
    height: data.height,
    stride: data.stride,
    step: 0.1,
    onChange: () => {
      rest();
      if (told.fit) told.errors = measure();
      updates.changed();
    },
  });
  pad.addEventListener("blur", () => { pen.keyed = false; updates.schedule(); });
  pad.addEventListener("focus", () => { pen.keyed = pad.matches(":focus-visible"); updates.schedule(); });
  act.addEventListener("click", () => { // a second click while listening is no wish for another secret
    if (handle.phase === "ask") listen();
    else if (handle.phase === "told") anew();
  });
  erase.addEventListener("click", () => { guess.clear(); updates.changed(); pad.focus(); });

  function moved(i) {
    if (traced !== i || i === scene.listener) trace = [];
    traced = i === scene.listener ? null : i;
    scene.noise = noises.normal();
    updates.changed();
  }

  function change(changes) {
    receive(changes);
    if (live) tellKernel(model, values.shown());
    else tellSetting(el, spec, changes);
  }

  // Other values are another secret: what was heard of the last one is forgotten, and heard anew if it was told.
  function receive(changes) {
    const before = JSON.stringify(values.shown());
    values.change(changes);
    if (JSON.stringify(values.shown()) !== before) {
      trace = [];
      rest();
      run += 1;
      clearTimeout(relisten);
      if (handle.phase !== "ask") {
        Object.assign(told, { fit: null, errors: null, heard: 0 });
        handle.phase = "telling";
        relisten = setTimeout(() => listen({ patient: false }), 160);
      }
    }
    updates.changed();
  }

  const pause = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });
  const measure = () => errorsOf(told.fit, guess, secretOf(values.shown(), data, scene.secret), data, values.shown().d, told.seed ^ 0x5bd1e995);

  // Draw rounds and fit them: first a few, then more and more.
  async function listen({ seed = freshSeed(), patient = !calm } = {}) {
    run += 1;
    const mine = run;
    rest();
    const { d } = values.shown();
    const hidden = secretOf(values.shown(), data, scene.secret);
    const rounds = drawRounds(hidden, data, d, seed);
    Object.assign(told, { fit: null, errors: null, heard: 0, seed, rounds });
    if (handle.phase === "ask") handle.phase = "listening";
    let [fit, work] = [null, 0];
    for (const heard of data.stages) {
      const started = performance.now();
      const last = heard === data.samples;
      fit = fitInteraction(firstSamples(rounds, heard), data.rank, { from: fit?.factors, afresh: !fit || heard === data.afresh, tolerance: last ? 1e-8 : 1e-1 });
      work += performance.now() - started;
      if (mine !== run) return;
      if (patient || last) {
        Object.assign(told, { fit, heard, sign: signOf(fit, hidden, d) });
        updates.changed();
      }
      await pause(patient ? Math.max(0, 240 - (performance.now() - started)) : 0);
      if (mine !== run) return;
    }
    told.errors = measure();
    told.milliseconds = work;
    handle.phase = "told";
    updates.changed();
  }

  function anew() {
    run += 1;
    scene.secret = (scene.secret + 1) % data.secrets.length;
    scene.noise = noises.normal();
    guess.clear();
    trace = [];
    Object.assign(told, { fit: null, errors: null, heard: 0, rounds: null });
    handle.phase = "ask";
    updates.changed();
  }

  // What is shown.
  const roomSize = () => { const size = room.clientWidth || 240; return { size, margin: 18, inner: size - 36 }; };

  function update() {
    const p = values.shown();
    spec.parameters.forEach((each, i) => controls[i].show(p[each.key]));
    const numbers = compute(p, data, scene);
    const { partners, scores } = numbers.scene;
    if (traced !== null) {
      trace.push([scores[partners.indexOf(traced)], numbers.facts.average]);
      if (trace.length > 240) trace.shift();
    }
    const phiHat = told.fit && splineOf(told.fit);
    const series = { ...numbers.series };
    if (phiHat) {
      const { x } = series["curve.truth"];
      series["curve.fit"] = { x, y: x.map((u) => phiHat(told.sign * u)) };
    }
    if (!guess.empty()) {
      const { x } = series["curve.truth"];
      series["curve.guess"] = { x, y: x.map(guess.at) };
    }
    const facts = { ...p, ...numbers.facts, heard: told.heard, averages: data.samples * data.tokens, cells: told.fit?.space.cells, ms: told.milliseconds, fit_error: told.errors?.fit_error, guess_error: told.errors?.guess_error };
    Object.assign(handle, { values: p, series, facts, summary: sentence(facts) });
    el.pairintSeries = series;
    app.dataset.phase = handle.phase;
    paintRoom(p, numbers);
    paintSheet(numbers);
    describe(facts);
  }

  function sentence(facts) {
    if (handle.phase === "told") return fill(told.errors.guess_error === null ? words.told_alone : words.told, { ...facts, fit_error: brief(facts.fit_error), guess_error: brief(facts.guess_error ?? 0) });
    if (handle.phase === "ask") return guess.empty() ? words.ask : words.drawn;
    return words.listening;
  }

  function describe(facts) {
    if (summary.textContent !== bind(handle.summary)) summary.textContent = bind(handle.summary);
    act.textContent = handle.phase === "told" ? words.anew : handle.phase === "ask" ? words.listen : fill(words.heard, facts);
    act.disabled = handle.phase === "listening" || handle.phase === "telling";
    erase.hidden = handle.phase !== "ask" || guess.empty();
    made.textContent = handle.phase === "told" ? bind(fill(words.made, facts)) : "";
    const u = -data.bound + (2 * data.bound * pen.place) / (data.nodes - 1);
    const height = guess.atPlace(pen.place);
    pad.setAttribute("aria-valuenow", height === null ? 0 : round(height));
    pad.setAttribute("aria-valuetext", fill(height === null ? words.blank : words.here, { u: round(u), height: height === null ? 0 : round(height) }));
  }

  const signed = (v) => `${v < 0 ? "−" : "+"}${Math.abs(v).toFixed(2)}`;

  function paintRoom(p, { scene: { partners, given }, facts }) {
    const { size, margin, inner } = roomSize();
    const at = (place) => [margin + ((place[0] + SIDE) / (2 * SIDE)) * inner, margin + ((SIDE - place[1]) / (2 * SIDE)) * inner];
    const open = handle.phase === "told";
    const [cx, cy] = at(scene.places[scene.listener]);
    let svg = "";
    partners.forEach((j, k) => {
      const value = open ? given[k] : facts.average; // only the average is heard
      const [x, y] = at(scene.places[j]);
      const strength = Math.min(Math.abs(value) / 1.2, 1);
      const path = value < 0 ? `M${round(cx)} ${round(cy)}L${round(x)} ${round(y)}` : `M${round(x)} ${round(y)}L${round(cx)} ${round(cy)}`;
      const kind = value < 0 ? "take" : "give";
      svg += `<g class="line ${kind}" data-partner="${j}"><path d="${path}" stroke-width="${round(6 + 12 * strength)}" opacity="${round(0.13 + 0.17 * strength)}"/><path d="${path}" stroke-width="${round(2.2 + 4 * strength)}" opacity="${round(0.5 + 0.5 * strength)}"/><path class="flow" d="${path}"/></g>`;
    });
    scene.places.forEach((place, i) => {
      const [x, y] = at(place);
      const listening = i === scene.listener;
      let spokes = "";
      for (let k = 2; k < p.d; k += 1) { // the coordinates that the plane does not show
        const angle = (2 * Math.PI * (k - 2)) / (p.d - 2) - Math.PI / 2;
        const length = 13 + 6 * (1 + place[k] / SIDE);
        spokes += `M${round(x + 13 * Math.cos(angle))} ${round(y + 13 * Math.sin(angle))}L${round(x + length * Math.cos(angle))} ${round(y + length * Math.sin(angle))}`;
      }
      svg += `<g class="body${listening ? " ear" : ""}"><path class="spokes" d="${spokes}"/><circle cx="${round(x)}" cy="${round(y)}" r="11.5"/>${listening ? `<circle class="ring" cx="${round(x)}" cy="${round(y)}" r="15.5"/>` : ""}<text x="${round(x)}" y="${round(y + 4.5)}">${i + 1}</text></g>`;
      tokens[i].style.left = `${round(x)}px`;
      tokens[i].style.top = `${round(y)}px`;
      tokens[i].setAttribute("aria-label", fill(listening ? words.listener : words.token, { number: i + 1, x: round(place[0]), y: round(place[1]) }));
      tokens[i].setAttribute("aria-pressed", String(listening));
    });
    const caption = p.d > 2 ? fill(words.plane, { d: p.d }) : "";
    svg += `<text class="note" x="${size / 2}" y="${size - 6}">${escapeText(caption)}</text>`;
    put(room, svg, size, size, fill(words.room, { listener: scene.listener + 1, average: signed(facts.average) }));
  }

  function paintSheet({ scene: { partners, scores, given }, facts }) {
    const [width, height] = [sheet.clientWidth || 320, sheet.clientHeight || 240];
    const f = frame();
    const open = handle.phase === "told";
    const curve = (s) => `M${s.x.map((u, i) => `${round(f.x(u))} ${round(f.y(s.y[i]))}`).join("L")}`;
    const inside = (u) => Math.min(Math.max(u, -data.bound), data.bound);
    let svg = "";
    for (let u = -data.bound; u <= data.bound; u += 1) svg += `<path class="grid" d="M${round(f.x(u))} ${f.top}V${f.bottom}"/>`;
    for (const u of [-data.bound, 0, data.bound]) svg += `<text class="tick" x="${round(f.x(u))}" y="${f.bottom + 15}">${u < 0 ? "−" : ""}${Math.abs(u)}</text>`;
    for (const v of [-1, 0, 1]) svg += `<path class="grid${v ? "" : " zero"}" d="M${f.left} ${round(f.y(v))}H${f.right}"/><text class="tick side" x="${f.left - 6}" y="${round(f.y(v) + 4)}">${v < 0 ? "−" : ""}${Math.abs(v)}</text>`;
    svg += `<text class="axis" x="${f.left + 2}" y="${f.top - 6}">${escapeText(words.given_axis)}</text><text class="axis end" x="${f.right}" y="${f.bottom + 30}">${escapeText(words.score_axis)}</text>`;
    // The average, heard at five scores at once.
    const line = round(f.y(facts.average));
    svg += `<path class="average" d="M${f.left} ${line}H${f.right}"/>`;
    if (trace.length > 1) svg += `<path class="trace" d="${trace.map(([u, v]) => `M${round(f.x(inside(u)))} ${round(f.y(v))}h0`).join("")}"/>`;
    const rows = rowsOf(scores.map((u) => f.x(inside(u))));
    partners.forEach((j, k) => {
      const x = round(f.x(inside(scores[k])));
      svg += `<g class="score${j === traced ? " held" : ""}"><path d="M${x} ${f.bottom}v-7"/><text x="${x}" y="${f.bottom - 11 - 12 * rows[k]}">${j + 1}</text></g>`;
      if (open) svg += `<path class="stem ${given[k] < 0 ? "take" : "give"}" d="M${x} ${round(f.y(given[k]))}V${line}"/>`;
    });
    const { "curve.guess": drawn, "curve.fit": fitted, "curve.truth": truth } = handle.series;
    if (!drawn && handle.phase === "ask") {
      // As near to a good place as what stands there allows: the average with its number, the numbers of partners about the middle.
      const [middle, wish] = [round((f.left + f.right) / 2), facts.average > 0 ? -0.7 : 0.7];
      const near = rows.filter((_, k) => Math.abs(f.x(inside(scores[k])) - middle) < 85);
      const taken = [[line - 20, line + 20], [f.bottom - 24 - 12 * Math.max(-1, ...near), f.bottom]];
      const heights = Array.from({ length: 33 }, (_, k) => 1.6 - 0.1 * k).sort((v, w) => Math.abs(v - wish) - Math.abs(w - wish));
      const y = round(f.y(heights.find((v) => taken.every(([top, bottom]) => f.y(v) + 5 < top || f.y(v) - 15 > bottom)) ?? wish));
      svg += `<text class="invite" x="${middle}" y="${y}">${escapeText(words.invite)}</text>`;
    }
    if (open) svg += `<path class="truth" pathLength="1" d="${curve(truth)}"/>`;
    if (drawn) svg += `<path class="guess" d="${curve(drawn)}"/>`;
    if (fitted) svg += `<path class="fit" d="${curve(fitted)}"/>`;
    if (open) partners.forEach((j, k) => { svg += `<circle class="${given[k] < 0 ? "take" : "give"}" cx="${round(f.x(inside(scores[k])))}" cy="${round(f.y(given[k]))}" r="5"/>`; });
    const keys = [[drawn, "guess", words.key_guess], [fitted, "fit", words.key_fit], [open, "truth", words.key_truth]];
    let x = f.left;
    for (const [, name, text] of keys.filter(([there]) => there)) {
      svg += `<path class="${name} key" d="M${x} ${f.bottom + 26}h16"/><text class="legend" x="${x + 21}" y="${f.bottom + 30}">${escapeText(text)}</text>`;
      x += 32 + 6.8 * text.length;
    }
    // The label stands at the end of its line that the curves leave free.
    const curves = [drawn, fitted, open && truth].filter(Boolean);
    const space = (from, to) => Math.min(...curves.flatMap((c) => c.x.map((u, i) => (u >= from && u <= to ? Math.abs(f.y(c.y[i]) - line + 8) : Infinity))));
    const first = space(-data.bound, -data.bound / 2) > space(data.bound / 2, data.bound);
    const label = fill(words.average, { average: signed(facts.average) });
    svg += `<text class="heard${first ? " first" : ""}" x="${first ? f.left + 4 : f.right - 4}" y="${line < f.top + 16 ? line + 15 : line - 6}">${escapeText(label)}</text>`;
    if (pen.keyed) {
      const place = f.x(-data.bound + (2 * data.bound * pen.place) / (data.nodes - 1));
      svg += `<path class="pen" d="M${round(place)} ${f.top}V${f.bottom}"/><circle class="pen" cx="${round(place)}" cy="${round(f.y(guess.atPlace(pen.place) ?? 0))}" r="5"/>`;
    }
    put(sheet, svg, width, height, words.sheet);
  }

  const shown = new Map();
  function put(holder, body, width, height, label) {
    const markup = `<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="${escapeText(label)}" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="${FONT}">${body}</svg>`;
    if (shown.get(holder) === markup) return;
    shown.set(holder, markup);
    holder.querySelector("svg")?.remove();
    holder.insertAdjacentHTML("afterbegin", markup);
  }

  // At first the tokens drift for a moment: what can move is seen to move.
  function drift() {
    const homes = scene.places.map((place) => [...place]);
    const began = performance.now();
    const go = () => {
      const t = (performance.now() - began) / 4000;
      if (t >= 1) return rest();
      const size = 0.3 * Math.sin(Math.PI * t) ** 2;
      scene.places.forEach((place, i) => {
        place[0] = homes[i][0] + size * Math.sin(2.1 * i + 9 * t);
        place[1] = homes[i][1] + size * Math.cos(1.3 * i + 8 * t);
      });
      updates.schedule();
      restless = requestAnimationFrame(go);
    };
    stopDrift = () => {
      cancelAnimationFrame(restless);
      if (performance.now() - began >= 4000) scene.places.forEach((place, i) => { [place[0], place[1]] = homes[i]; });
    };
    restless = requestAnimationFrame(go);
  }
  let stopDrift = () => {};
  function rest() {
    if (handle.settled) return;
    handle.settled = true;
    stopDrift();
    updates.schedule();
  }

  const apply = () => { handle.scheme = currentScheme(); app.dataset.scheme = handle.scheme; };
  apply();
  const sizes = new ResizeObserver(() => updates.schedule());
  sizes.observe(app);
  const ends = [watchScheme(apply), () => sizes.disconnect(), () => { run += 1; clearTimeout(relisten); rest(); }, followKernel(model, receive, updates.schedule)];
  if (!live) ends.push(followSetting(el, spec, receive), followAddress(el, spec, receive));
  el.pairint = Object.assign(handle, {
    scene,
    guess: guess.heights,
    told,
    listen,
    hidden: () => secretOf(values.shown(), data, scene.secret),
    set: (asked) => change(legalValues(spec.parameters, asked)),
  });
  updates.first();
  if (calm) rest();
  else drift();
  return () => ends.forEach((end) => end());
}

const brief = (x) => Number(x.toPrecision(2));

// Labels closer than a figure's width stand in a second row.
function rowsOf(places) {
  const rows = places.map(() => 0);
  const order = places.map((_, k) => k).sort((a, b) => places[a] - places[b]);
  order.forEach((k, n) => {
    const before = order[n - 1];
    const second = order[n - 2];
    if (n > 0 && places[k] - places[before] < 11) {
      rows[k] = (rows[before] + 1) % 3;
      if (n > 1 && rows[k] === rows[second] && places[k] - places[second] < 11) rows[k] = (rows[k] + 1) % 3;
    }
  });
  return rows;
}

// Between (score, height) and the pixels of the sheet; what lies off the canvas is taken to its edge.
function sheetFrame(width, height, { bound, height: most }) {
  const [left, right, top, bottom] = [26, (width || 320) - 8, 20, (height || 240) - 36];
  const x = (u) => left + ((u + bound) / (2 * bound)) * (right - left);
  const y = (v) => bottom - ((Math.min(Math.max(v, -most), most) + most) / (2 * most)) * (bottom - top);
  const invert = (px, py) => [
    -bound + (2 * bound * (clamp(px, left, right) - left)) / (right - left),
    -most + (2 * most * (bottom - clamp(py, top, bottom))) / (bottom - top),
  ];
  return { left, right, top, bottom, x, y, invert };
}
