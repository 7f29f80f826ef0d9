// A figure put into an element of a page.
//
// A figure is a description made in Python (panels, marks, controls, words) and one function
// compute(values, data) -> {series, facts} in its own file. Bundling strips "export" and the import lines and puts
// PLOTKIT_CSS in front (see bundle.py).
import { legal, makeControl, node } from "./controls.js";
import { composeSvg, rasterise, save } from "./export.js";
import { readFragment, writeFragment } from "./link.js";
import { fill } from "./numbers.js";
import { PALETTES, currentScheme, watchScheme } from "./palette.js";
import { bind, drawPanel } from "./panel.js";
import { attachReader } from "./reader.js";
import { makeSimulation } from "./simulation.js";
import { makeTables } from "./table.js";

// A model without a kernel: what an anywidget model offers, over a plain object.
export function staticModel(state) {
  return { get: (key) => state[key], set: (key, value) => { state[key] = value; }, save_changes() {}, on() {}, off() {} };
}

let mounted = 0;

// Put a figure into an element: the same for a page (static model) and for a kernel (anywidget model).
export function mount({ model, el, compute }) {
  const spec = model.get("spec");
  const live = Boolean(model.get("live"));
  mounted += 1;
  const prefix = `pairint-${spec.name}-${mounted}`;
  const limits = spec.parameters.filter((p) => p.at_most);
  let wanted = { ...spec.values, ...(model.get("values") ?? {}) };
  const presets = spec.parameters.filter((p) => p.presets);
  let colors = PALETTES[currentScheme()];
  let drawings = [];
  let frame = 0;
  let changedAt = 0;
  const handle = { values: {}, series: {}, facts: {}, summary: "", timings: [], live, scheme: currentScheme() };

  el.dataset.pairintExplorer = spec.name;
  el.setAttribute("data-lm-suppress-shortcuts", "true");
  const root = el.shadowRoot ?? el.attachShadow({ mode: "open" });

  // Elements -------------------------------------------------------------------------------------------
  const controls = Object.fromEntries(spec.parameters.map((p) => [p.key, makeControl(p, `${prefix}-${p.key}`, onInput)]));
  const charts = spec.panels.map((panel) => {
    const tip = node("div", { className: "tip", hidden: true });
    const chart = node("div", { className: "chart" }, tip);
    chart.style.flex = `${panel.grow} 1 max(15rem, 36%)`; // two in a row at most
    return { panel, chart, tip };
  });
  const summary = node("p", { className: "summary", "aria-live": "polite" });
  const note = node("span", { className: "note", role: "status" });
  const tableHolder = node("div", { className: "tables" });
  const details = node("details", {}, node("summary", { textContent: "Numbers as a table" }), tableHolder);
  const button = (text, title, action) => {
    const b = node("button", { type: "button", textContent: text, title, "data-lm-suppress-shortcuts": "true" });
    b.addEventListener("click", action);
    return b;
  };
  const buttons = node(
    "div",
    { className: "buttons" },
    button("Reset", "Back to the first view", () => change(spec.values)),
    live
      ? button("Copy as Python", "Copy the Python expression for this view", () => copy(pythonOf(spec, handle.values), "Python expression copied"))
      : button("Link to this view", "Put this view in the address and copy the link", () => {
          const fragment = writeFragment(el.id, handle.values);
          history.replaceState(null, "", fragment);
          copy(location.href, "Link copied; it is also in the address bar");
        }),
    button("SVG", "Save the figure as an SVG file", () => {
      save(new Blob([exported().text], { type: "image/svg+xml" }), `${spec.name}.svg`);
    }),
    button("PNG", "Save the figure as a PNG file", async () => save(await rasterise(exported()), `${spec.name}.png`)),
  );
  const simulation = live && spec.simulation ? makeSimulation(model, spec, button, () => handle.values) : null;
  const app = node(
    "div",
    { className: "app", role: "group" },
    node("div", { className: "title", id: `${prefix}-title`, textContent: spec.title }),
    node("div", { className: "controls" }, ...spec.parameters.map((p) => controls[p.key].root)),
    node("div", { className: "charts" }, ...charts.map((c) => c.chart)),
    summary,
    ...(simulation ? [simulation.root] : []),
    buttons,
    note,
    details,
  );
  app.setAttribute("aria-labelledby", `${prefix}-title`);
  root.replaceChildren(node("style", { textContent: PLOTKIT_CSS }), app, node("slot", { name: "picture" }));

  // Behaviour ------------------------------------------------------------------------------------------
  function onInput(key, value) {
    const parameter = spec.parameters.find((p) => p.key === key);
    change({ [key]: value, ...parameter.presets?.[value] });
  }

  function change(values, tell = true) {
    wanted = { ...wanted, ...values };
    for (const p of presets) { // what was chosen no longer belongs where another control has moved on
      const set = Object.entries(p.presets[wanted[p.key]] ?? {});
      if (set.some(([key, value]) => wanted[key] !== value)) wanted[p.key] = p.choices[0];
    }
    changedAt = performance.now();
    schedule();
    if (tell && live) {
      model.set("values", effective());
      model.save_changes();
    }
  }

  function effective() {
    const values = { ...wanted };
    for (const p of limits) values[p.key] = Math.min(values[p.key], values[p.at_most]);
    return values;
  }

  function schedule() {
    if (!frame) frame = requestAnimationFrame(update);
  }

  function update() {
    frame = 0;
    const started = performance.now();
    const values = effective();
    for (const p of spec.parameters) controls[p.key].show(values[p.key]);
    const state = compute(values, spec.data);
    const simulated = live && sameSetting(spec, model.get("simulated_at"), values) ? model.get("simulated") ?? {} : {};
    handle.values = values;
    handle.series = { ...state.series, ...simulated };
    handle.facts = { ...values, ...namesOf(spec, values), ...state.facts };
    handle.summary = fill(spec.summary, handle.facts);
    el.pairintSeries = handle.series;
    draw();
    handle.timings.push({ compute_and_draw: performance.now() - started, since_input: performance.now() - changedAt });
    if (handle.timings.length > 500) handle.timings.shift();
    handle.updates = (handle.updates ?? 0) + 1;
    settle();
  }

  // Widths are read when the figure's own width changes, not at each drawing: to read one after a change makes
  // the browser lay out the whole page, once for each panel.
  let widths = [];
  function measure() {
    widths = charts.map(({ chart }) => Math.max(250, Math.floor(chart.clientWidth || 320)));
  }

  function draw() {
    if (!widths.length) measure();
    drawings = charts.map(({ panel, chart, tip }, i) => {
      const d = drawPanel(panel, handle.series, handle.facts, widths[i], colors, `${prefix}-clip-${i}`);
      const markup = `${d.open} role="img">${d.body}</svg>`;
      if (markup !== chart.markup) { // most controls leave some panel as it is
        chart.querySelector("svg")?.remove();
        chart.insertAdjacentHTML("afterbegin", markup);
        chart.markup = markup;
      }
      chart.firstChild.setAttribute("aria-label", `${fill(panel.title, handle.facts)}. ${handle.summary}`);
      tip.hidden = true;
      return d;
    });
  }

  // The sentence and the table follow once the hand rests: a screen reader hears one sentence, not fifty.
  let settling = 0;
  function settle() {
    clearTimeout(settling);
    settling = setTimeout(() => {
      const words = bind(handle.summary);
      if (summary.textContent !== words) summary.textContent = words;
      if (details.open) tableHolder.replaceChildren(...makeTables(spec, handle));
    }, summary.textContent ? 120 : 0);
  }
  details.addEventListener("toggle", settle);

  function exported() {
    const base = charts[0].chart.parentElement.getBoundingClientRect();
    const rectangles = charts.map((c) => c.chart.getBoundingClientRect());
    const positions = rectangles.map((r) => ({ x: r.left - base.left, y: r.top - base.top }));
    return composeSvg(spec, drawings, positions, { width: base.width, height: base.height }, colors, handle.facts);
  }
  handle.exported = exported;

  async function copy(text, message) {
    try {
      await navigator.clipboard.writeText(text);
      note.textContent = message;
    } catch {
      note.textContent = live ? text : "The link is in the address bar";
    }
    setTimeout(() => { note.textContent = ""; }, live ? 15000 : 4000);
  }

  charts.forEach(({ panel, chart, tip }, i) => attachReader(panel, chart, tip, () => ({ drawing: drawings[i], handle, colors })));

  const applyScheme = () => {
    handle.scheme = currentScheme();
    colors = PALETTES[handle.scheme];
    app.dataset.scheme = handle.scheme;
    if (drawings.length) draw();
  };
  applyScheme();
  const unwatch = watchScheme(applyScheme);

  let lastWidth = 0;
  const resize = new ResizeObserver(() => {
    if (Math.abs(app.clientWidth - lastWidth) < 1) return;
    lastWidth = app.clientWidth;
    measure();
    if (drawings.length) draw();
  });
  resize.observe(app);

  const followLink = () => {
    const linked = live ? null : readFragment(el.id, spec.parameters);
    if (!linked) return;
    change({ ...spec.values, ...linked });
    el.scrollIntoView();
  };
  window.addEventListener("hashchange", followLink);

  const onValues = () => change(model.get("values"), false);
  model.on("change:values", onValues);
  model.on("change:simulated", schedule);

  el.pairint = Object.assign(handle, { set: (values) => change(Object.fromEntries(Object.entries(values).map(([k, v]) => [k, legal(spec.parameters.find((p) => p.key === k), v)]))) });
  followLink();
  changedAt = performance.now();
  if (!frame) update();

  return () => {
    unwatch();
    resize.disconnect();
    simulation?.stop();
    window.removeEventListener("hashchange", followLink);
    model.off("change:values", onValues);
    model.off("change:simulated", schedule);
  };
}

// Simulated points belong to the values they were drawn at, but for the parameters declared free.
const sameSetting = (spec, at, values) =>
  Object.entries(at ?? {}).every(([key, value]) => spec.simulation.free.includes(key) || values[key] === value);

const pythonOf = (spec, values) =>
  `${spec.class_name}(${Object.entries(values).map(([k, v]) => `${k}=${JSON.stringify(v)}`).join(", ")})`;

function namesOf(spec, values) {
  const chosen = spec.parameters.filter((p) => p.scale === "choice");
  return Object.fromEntries(chosen.map((p) => [`${p.key}_name`, p.names[p.choices.indexOf(values[p.key])]]));
}

