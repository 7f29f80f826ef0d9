// What a figure follows besides its controls: the scheme and the width of the page, and its address. Each returns
// the function that ends it.
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

export function followAddress(el, spec, change) {
  const follow = () => {
    const linked = readFragment(el.id, spec.parameters);
    if (!linked) return;
    change({ ...spec.values, ...linked });
    el.scrollIntoView();
  };
  follow();
  window.addEventListener("hashchange", follow);
  return () => window.removeEventListener("hashchange", follow);
}
