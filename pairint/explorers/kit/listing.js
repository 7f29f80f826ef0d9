// An algorithm beside its picture: its lines as words, and which of them has just been carried out.
import { node } from "./controls.js";
import { fill } from "./numbers.js";

// The fact "line" tells which line is lit, counted from one; none at zero. It is not set in bold: a line that
// wraps when it is lit would move the controls under the finger.
export function makeListing(lines) {
  if (!lines?.length) return null;
  const items = lines.map(() => node("li"));
  return {
    root: node("ol", { className: "listing" }, ...items),
    draw: (facts) => {
      items.forEach((item, i) => {
        item.textContent = fill(lines[i], facts);
        if (i + 1 === facts.line) item.setAttribute("aria-current", "step");
        else item.removeAttribute("aria-current");
      });
    },
  };
}
