// A figure put into an element of a page.
//
// A figure is a description made in Python (panels, marks, controls, words) and one function
// compute(values, data) -> {series, facts} in its own file. Bundling strips "export" and the import lines and puts
// PLOTKIT_CSS in front (see bundle.py). Where sliders are not enough, compute.extra makes elements of the figure's
// own: it returns their root, series() to draw besides, and show(), called after each update.
import { makeButtons } from "./buttons.js";
import { makeCharts } from "./charts.js";
import { makeControl, node } from "./controls.js";
import { followAddress, followScheme, followSetting, followWidth, tellSetting } from "./follow.js";
import { followKernel, makeSimulation, simulatedAt, tellKernel } from "./kernel.js";
import { makeListing } from "./listing.js";
import { fill } from "./numbers.js";
import { currentScheme } from "./palette.js";
import { makePlay } from "./play.js";
import { makeUpdates } from "./updates.js";
import { legalValues, makeValues, namesOf, withPreset } from "./values.js";
import { makeWords } from "./words.js";

let mounted = 0;

// Put a figure into an element: the same for a page (static model) and for a kernel (anywidget model). Returns the
// function that takes it away.
export function mount({ model, el, compute }) {
  const spec = model.get("spec");
  const live = Boolean(model.get("live"));
  const draws = live || Boolean(model.get("draws")); // there is a Python, but it does not follow the values
  mounted += 1;
  const prefix = `pairint-${spec.name}-${mounted}`;
  const handle = { values: {}, series: {}, facts: {}, summary: "", timings: [], live, scheme: currentScheme() };

  const values = makeValues(spec.parameters, { ...spec.values, ...(model.get("values") ?? {}) });
  const updates = makeUpdates(handle, update);
  const controls = spec.parameters.map((p) => makeControl(p, `${prefix}-${p.key}`, (key, value) => change(withPreset(spec.parameters, key, value))));
  const charts = makeCharts(spec, prefix, handle);
  const listing = makeListing(spec.listing);
  const words = makeWords(spec, handle);
  const buttons = makeButtons(spec, el, handle, reset);
  const played = spec.parameters.find((p) => p.key === spec.play);
  const play = played ? makePlay(played, () => values.shown()[played.key], change) : null;
  const extra = compute.extra?.({ spec, handle, change, redraw: updates.schedule });
  const simulation = draws && spec.simulation ? makeSimulation(model, spec, () => handle.values) : null;
  const app = assemble(spec, prefix, { controls, play, extra, charts, listing, words, buttons, simulation });
  show(el, spec, app);

  function change(changes) {
    receive(changes);
    if (live) tellKernel(model, values.shown());
    else tellSetting(el, spec, changes);
  }

  function reset() {
    receive(spec.values);
    if (live) tellKernel(model, values.shown());
    else tellSetting(el, spec, Object.fromEntries(spec.shared.map((key) => [key, null])));
  }

  function receive(changes) {
    values.change(changes);
    updates.changed();
  }

  function update() {
    const shown = values.shown();
    spec.parameters.forEach((p, i) => controls[i].show(shown[p.key]));
    describe(handle, spec, shown, compute(shown, spec.data), draws ? simulatedAt(model, spec, shown) : {});
    if (extra) {
      Object.assign(handle.series, extra.series());
      extra.show();
    }
    el.pairintSeries = handle.series;
    charts.draw();
    listing?.draw(handle.facts);
    words.settle();
  }

  const ends = [followScheme(app, handle, charts), followWidth(app, charts), followKernel(model, receive, updates.schedule)];
  if (!live) ends.push(followSetting(el, spec, receive), followAddress(el, spec, receive));
  if (simulation) ends.push(simulation.stop);
  if (play) ends.push(play.stop);
  el.pairint = Object.assign(handle, {
    exported: charts.exported,
    set: (asked) => change(legalValues(spec.parameters, asked)),
  });
  updates.first();
  return () => ends.forEach((end) => end());
}

// The elements of a figure, in their order.
function assemble(spec, prefix, { controls, play, extra, charts, listing, words, buttons, simulation }) {
  const app = node(
    "div",
    { className: spec.compact ? "app compact" : "app", role: "group" },
    node("div", { className: "title", id: `${prefix}-title`, textContent: spec.title }),
    charts.root,
    ...(listing ? [listing.root] : []),
    node("div", { className: "controls" }, ...controls.map((control) => control.root), ...(play ? [play.root] : []), ...(extra ? [extra.root] : [])),
    words.summary,
    ...(simulation ? [simulation.root] : []),
    buttons.root,
    buttons.note,
    words.details,
  );
  app.setAttribute("aria-labelledby", `${prefix}-title`);
  return app;
}

function show(el, spec, app) {
  el.dataset.pairintExplorer = spec.name;
  el.setAttribute("data-lm-suppress-shortcuts", "true");
  const root = el.shadowRoot ?? el.attachShadow({ mode: "open" });
  root.replaceChildren(node("style", { textContent: PLOTKIT_CSS }), app, node("slot", { name: "picture" }));
}

// What the figure shows at these values: the numbers of compute, points simulated besides, and the sentence.
function describe(handle, spec, values, { series, facts }, simulated) {
  handle.values = values;
  handle.series = { ...series, ...simulated };
  handle.facts = { ...values, ...namesOf(spec.parameters, values), ...facts };
  handle.summary = fill(spec.summary, handle.facts);
}
