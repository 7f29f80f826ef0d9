// The sentence under the figure, and its numbers as tables.
import { node } from "./controls.js";
import { bind } from "./panel.js";
import { makeTables } from "./table.js";

export function makeWords(spec, handle) {
  const summary = node("p", { className: "summary", "aria-live": "polite" });
  const holder = node("div", { className: "tables" });
  const details = node("details", {}, node("summary", { textContent: "Numbers as a table" }), holder);
  const write = () => {
    const words = bind(handle.summary);
    if (summary.textContent !== words) summary.textContent = words;
    if (details.open) holder.replaceChildren(...makeTables(spec, handle));
  };
  // They follow once the hand rests: a screen reader hears one sentence, not fifty.
  let settling = 0;
  const settle = () => {
    clearTimeout(settling);
    settling = setTimeout(write, summary.textContent ? 120 : 0);
  };
  details.addEventListener("toggle", settle);
  return { summary, details, settle };
}
