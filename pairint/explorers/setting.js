// The reader's setting: beta, d, N and M, chosen once and shared by the pages of the book. In the text its numbers can be
// dragged, and what follows from them is computed again; the figures of a page take them from one another.
import { quantities } from "./formulas/setting.js";
import { STEPS, legal, makeControl, node, nextValue } from "./kit/controls.js";
import { readFragment, writeFragment } from "./kit/link.js";
import { short } from "./kit/numbers.js";
import { currentScheme, watchScheme } from "./kit/palette.js";

const STORE = "pairint-setting";
const PIXELS = 6; // of a drag, for one step

// What an earlier page left. Anything else that lies there is of no effect.
function remembered(parameters) {
  let found;
  try {
    found = JSON.parse(localStorage.getItem(STORE));
  } catch {
    return {};
  }
  if (found === null || typeof found !== "object") return {};
  const known = parameters.filter((p) => Object.hasOwn(found, p.key) && Number.isFinite(found[p.key]));
  return Object.fromEntries(known.map((p) => [p.key, legal(p, found[p.key])]));
}

function remember(values) {
  try {
    if (Object.keys(values).length) localStorage.setItem(STORE, JSON.stringify(values));
    else localStorage.removeItem(STORE);
  } catch {
    // Storage is refused: the setting lasts as long as the page.
  }
}

export function mount({ spec }) {
  const { parameters, fixed } = spec;
  const defaults = Object.fromEntries(parameters.map((p) => [p.key, p.value]));
  let chosen = { ...remembered(parameters), ...readFragment("setting", parameters) };
  const shown = () => ({ ...defaults, ...chosen });
  const listeners = [];

  // from: the figure that asks; null gives a parameter back to the book and its figures.
  function choose(changes, from = null) {
    for (const p of parameters.filter(({ key }) => key in changes)) {
      if (changes[p.key] === null) delete chosen[p.key];
      else chosen[p.key] = legal(p, changes[p.key]);
    }
    remember(chosen);
    tell(Object.fromEntries(Object.keys(changes).map((key) => [key, chosen[key] ?? null])), { from });
  }

  const reset = () => choose(Object.fromEntries(Object.keys(chosen).map((key) => [key, null])));

  // Another page has chosen meanwhile.
  function reread() {
    const before = Object.fromEntries(Object.keys(chosen).map((key) => [key, null]));
    chosen = remembered(parameters);
    tell({ ...before, ...chosen }, {});
  }

  function tell(values, how) {
    listeners.forEach((show) => show(shown()));
    if (Object.keys(values).length) window.dispatchEvent(new CustomEvent("pairint-setting", { detail: { values, ...how } }));
  }

  function start() {
    const inText = [...document.querySelectorAll("[data-setting]")];
    const marks = [...document.querySelectorAll("svg [data-here]")];
    for (const element of inText) listeners.push(makeHandle(element, parameters, choose, shown));
    for (const element of document.querySelectorAll("[data-computed]")) {
      listeners.push((values) => show(element, short(quantities({ ...fixed, ...values })[element.dataset.computed]())));
    }
    marks.forEach((element) => listeners.push(makeMark(element, parameters)));
    if (inText.length || marks.length) listeners.push(makeBar(spec, choose, reset, shown, () => chosen));
    remember(chosen);
    tell(chosen, { first: true });
    window.addEventListener("storage", ({ key }) => key === STORE && reread());
    window.addEventListener("pageshow", ({ persisted }) => persisted && reread());
  }

  window.addEventListener("pairint-chosen", ({ detail }) => {
    const known = Object.entries(detail.values).filter(([key]) => key in defaults);
    if (known.length) choose(Object.fromEntries(known), detail.from);
  });
  window.addEventListener("hashchange", () => {
    const asked = readFragment("setting", parameters);
    if (asked) choose(asked);
  });
  // The figures of a page are mounted by modules: they have run when its content is said to be loaded.
  if (document.readyState === "complete") start();
  else document.addEventListener("DOMContentLoaded", start);
}

function show(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// A number of the text: dragged sideways, or moved by the keys of a slider.
function makeHandle(element, parameters, choose, shown) {
  const p = parameters.find((each) => each.key === element.dataset.setting);
  Object.entries({
    role: "slider",
    tabindex: 0,
    "aria-label": p.label,
    "aria-valuemin": p.minimum,
    "aria-valuemax": p.maximum,
    title: `${p.label}: drag it, or use the arrow keys`,
  }).forEach(([name, value]) => element.setAttribute(name, value));
  const move = (value) => choose({ [p.key]: value });
  element.addEventListener("keydown", (event) => {
    const ends = { Home: p.minimum, End: p.maximum };
    if (event.altKey || event.ctrlKey || event.metaKey) return; // the browser's own
    if (!(event.key in STEPS) && !(event.key in ends)) return;
    event.preventDefault();
    move(ends[event.key] ?? nextValue(p, shown()[p.key], STEPS[event.key]));
  });
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    element.focus();
    element.setPointerCapture(event.pointerId);
    const [from, value] = [event.clientX, shown()[p.key]];
    const drag = (moved) => {
      if (moved.pointerId !== event.pointerId) return;
      const steps = Math.round((moved.clientX - from) / PIXELS);
      const next = steps ? nextValue(p, value, steps) : value;
      if (next !== shown()[p.key]) move(next); // a click that trembles is no choice
    };
    element.addEventListener("pointermove", drag);
    element.addEventListener("lostpointercapture", () => element.removeEventListener("pointermove", drag), { once: true });
  });
  return (values) => {
    show(element, short(values[p.key]));
    element.setAttribute("aria-valuenow", values[p.key]);
    element.setAttribute("aria-valuetext", short(values[p.key]));
  };
}

// "You are here" on a drawing: data-here says which parameter lies along its horizontal axis, on which scale, from
// where to where.
function makeMark(axes, parameters) {
  const [key, scale, low, high] = axes.dataset.here.split(":");
  const measure = (v) => (scale === "log" ? Math.log(v) : Number(v));
  const SVG = "http://www.w3.org/2000/svg";
  const mark = document.createElementNS(SVG, "path");
  mark.setAttribute("class", "you-are-here");
  const title = document.createElementNS(SVG, "title");
  mark.append(title);
  axes.insertBefore(mark, axes.querySelector(":scope > .legend"));
  const said = tellMark(axes, parameters.find((p) => p.key === key));
  // The frame of the panel is the first path in it: four corners.
  const frame = axes.querySelector("path:not(.you-are-here)");
  if (!frame) return () => {};
  const corners = frame.getAttribute("d").match(/-?[\d.]+/g).map(Number);
  const ends = (odd) => corners.filter((_, i) => i % 2 === odd).sort((a, b) => a - b);
  const [xs, ys] = [ends(0), ends(1)];
  const [left, right, top, bottom] = [xs[0], xs.at(-1), ys[0], ys.at(-1)];
  return (values) => {
    const share = (measure(values[key]) - measure(low)) / (measure(high) - measure(low));
    const x = Math.round(100 * (left + share * (right - left))) / 100;
    const inside = share >= 0 && share <= 1;
    mark.setAttribute("d", inside ? `M${x} ${bottom}V${top}m-4 0h8l-4 7z` : "");
    title.textContent = `You are here: ${short(values[key])}`;
    said(inside ? short(values[key]) : "");
  };
}

// What the caption says of the marks for one parameter.
function tellMark(axes, parameter) {
  const caption = axes.closest("figure")?.querySelector("figcaption .caption-text");
  if (!caption) return () => {};
  let note = caption.querySelector(`.here-${parameter.key}`);
  if (!note) caption.append(note = node("span", { className: `here-note here-${parameter.key}` }));
  const marks = (note.marks ??= new Map()); // of several panels one may end before the mark
  return (value) => {
    marks.set(axes, value);
    const marked = [...marks.values()].find(Boolean);
    note.textContent = marked ? ` \u25bc your ${symbol(parameter)} = ${marked}.` : "";
  };
}

const symbol = (p) => p.label.split(" ").at(-1);

// The bar: the four numbers in the head of the page, which unfold into sliders.
function makeBar(spec, choose, reset, shown, chosen) {
  const head = document.querySelector(".header-article__inner") ?? document.querySelector(".bd-article");
  const numbers = node("span", { className: "setting-numbers roomy" });
  const names = node("span", { className: "tight", textContent: spec.parameters.slice(0, 2).map(symbol).join(", ") });
  const button = node("button", { type: "button", className: "setting-button", "aria-expanded": "false", "aria-controls": "setting-panel", title: spec.title }, numbers, names);
  const inside = node("div"); // shows itself, whatever is asked of it: it is what is around it that is hidden
  const panel = node("div", { id: "setting-panel", className: "setting-panel", hidden: true }, inside);
  const root = inside.attachShadow({ mode: "open" });
  const controls = spec.parameters.map((p) => makeControl(p, `setting-${p.key}`, (key, value) => choose({ [key]: value })));
  const back = node("button", { type: "button", textContent: "Reset", title: "Back to the numbers of the book, on all pages" });
  const link = node("button", { type: "button", textContent: "Copy link", title: "Copy the address of this page at these numbers" });
  const said = node("span", { role: "status", className: "note" });
  const app = node(
    "div",
    { className: "app", role: "group", "aria-label": spec.title },
    node("div", { className: "title", textContent: spec.title }),
    node("div", { className: "controls" }, ...controls.map((control) => control.root)),
    node("p", { className: "summary", textContent: spec.summary }),
    node("div", { className: "buttons" }, back, link, said),
  );
  root.append(node("style", { textContent: PLOTKIT_CSS }), app);
  const scheme = () => { app.dataset.scheme = currentScheme(); };
  scheme();
  watchScheme(scheme);

  const open = (yes) => {
    panel.hidden = !yes;
    button.setAttribute("aria-expanded", String(yes));
  };
  button.addEventListener("click", () => open(panel.hidden));
  const holder = node("div", { className: "setting" }, button, panel);
  holder.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || panel.hidden) return;
    open(false);
    button.focus();
  });
  back.addEventListener("click", reset);
  link.addEventListener("click", async () => {
    const address = location.href.split("#")[0] + writeFragment("setting", shown());
    try {
      await navigator.clipboard.writeText(address);
      said.textContent = "Copied.";
    } catch {
      said.textContent = address;
    }
  });
  head?.append(holder);
  return (values) => {
    spec.parameters.forEach((p, i) => controls[i].show(values[p.key]));
    numbers.textContent = spec.parameters.map((p) => `${symbol(p)}\u00a0=\u00a0${short(values[p.key])}`).join(", ");
    const changed = Object.keys(chosen()).length > 0;
    button.classList.toggle("changed", changed);
    back.disabled = !changed;
    said.textContent = "";
  };
}
