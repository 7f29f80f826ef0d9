// What a figure follows besides its controls: the scheme and the width of the page, and its address. Each returns
// the function that ends it.
import { legal } from "./controls.js";
import { readFragment } from "./link.js";
import { PALETTES, currentScheme, watchScheme } from "./palette.js";

export function followScheme(app, handle, charts) {
  const apply = () => {
    handle.scheme = currentScheme();
    app.dataset.scheme = handle.scheme;
    charts.paint(PALETTES[handle.scheme]);
  };
  apply();
  return watchScheme(apply);
}

export function followWidth(app, charts) {
  let lastWidth = 0;
  const observer = new ResizeObserver(() => {
    if (Math.abs(app.clientWidth - lastWidth) < 1) return;
    lastWidth = app.clientWidth;
    charts.fit();
  });
  observer.observe(app);
  return () => observer.disconnect();
}

export function followAddress(el, spec, receive) {
  const follow = () => {
    const linked = readFragment(el.id, spec.parameters);
    if (!linked) return;
    receive({ ...spec.values, ...linked });
    tellSetting(el, spec, linked);
    el.scrollIntoView();
  };
  follow();
  window.addEventListener("hashchange", follow);
  return () => window.removeEventListener("hashchange", follow);
}

// The book's setting (setting.js): what a reader chose elsewhere, for the parameters that a figure shares. At first
// it yields to what the address asks of this figure.
export function followSetting(el, spec, receive) {
  const shared = spec.parameters.filter((p) => spec.shared.includes(p.key));
  const follow = ({ detail: { values, from, first } }) => {
    if (from === el || (first && readFragment(el.id, spec.parameters))) return;
    const taken = shared.filter((p) => p.key in values);
    if (taken.length) receive(Object.fromEntries(taken.map((p) => [p.key, values[p.key] === null ? spec.values[p.key] : legal(p, values[p.key])])));
  };
  window.addEventListener("pairint-setting", follow);
  return () => window.removeEventListener("pairint-setting", follow);
}

// Tell the book's setting what was chosen here; null gives a parameter back.
export function tellSetting(el, spec, changes) {
  const chosen = Object.entries(changes).filter(([key]) => spec.shared.includes(key));
  if (chosen.length) window.dispatchEvent(new CustomEvent("pairint-chosen", { detail: { values: Object.fromEntries(chosen), from: el } }));
}
