// The buttons under a figure: back, a link or the Python expression for a view, the figure as a file.
import { node } from "./controls.js";
import { rasterise, save } from "./export.js";
import { writeFragment } from "./link.js";

export function makeButton(text, title, action) {
  const button = node("button", { type: "button", textContent: text, title, "data-lm-suppress-shortcuts": "true" });
  button.addEventListener("click", action);
  return button;
}

export function makeButtons(spec, el, handle, reset) {
  const note = node("span", { className: "note", role: "status" });
  const svg = () => new Blob([handle.exported().text], { type: "image/svg+xml" });
  const root = node(
    "div",
    { className: "buttons" },
    makeButton("Reset", "Back to the first view", reset),
    handle.live ? pythonButton(spec, handle, note) : linkButton(el, handle, note),
    makeButton("SVG", "Save the figure as an SVG file", () => save(svg(), `${spec.name}.svg`)),
    makeButton("PNG", "Save the figure as a PNG file", async () => save(await rasterise(handle.exported()), `${spec.name}.png`)),
  );
  return { root, note };
}

const pythonButton = (spec, handle, note) =>
  makeButton("Copy as Python", "Copy the Python expression for this view", () => {
    const text = pythonOf(spec, handle.values);
    copy(text, note, "Python expression copied", text, 15000);
  });

const linkButton = (el, handle, note) =>
  makeButton("Link to this view", "Put this view in the address and copy the link", () => {
    history.replaceState(null, "", writeFragment(el.id, handle.values));
    copy(location.href, note, "Link copied; it is also in the address bar", "The link is in the address bar", 4000);
  });

const pythonOf = (spec, values) =>
  `${spec.class_name}(${Object.entries(values).map(([k, v]) => `${k}=${JSON.stringify(v)}`).join(", ")})`;

async function copy(text, note, copied, refused, milliseconds) {
  try {
    await navigator.clipboard.writeText(text);
    note.textContent = copied;
  } catch {
    note.textContent = refused;
  }
  setTimeout(() => { note.textContent = ""; }, milliseconds);
}
