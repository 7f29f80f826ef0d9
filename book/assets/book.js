// Repairs of the theme that a stylesheet cannot make.
function repair() {
  for (const button of document.querySelectorAll("button[aria-label], a[aria-label]")) {
    // An icon inside a named button has no name of its own.
    for (const title of button.querySelectorAll("svg > title")) {
      const icon = title.parentElement;
      icon.removeAttribute("aria-labelledby");
      icon.removeAttribute("role");
      icon.setAttribute("aria-hidden", "true");
      title.remove();
    }
    // A button that shows words is named by them: another name would mislead those who speak to it.
    const words = button.innerText.trim().replace(/\s+/g, " ");
    const label = button.getAttribute("aria-label");
    if (words && !label.toLowerCase().includes(words.toLowerCase())) {
      button.setAttribute("aria-label", `${label}: ${words}`);
    }
  }
  // The arrow that unfolds a chapter's pages is named by the chapter.
  for (const arrow of document.querySelectorAll("li.has-children > details > summary")) {
    arrow.setAttribute("aria-label", `Pages of ${arrow.closest("li").querySelector("a").textContent.trim()}`);
  }
  // The entries of a list are list items, also in a bibliography.
  for (const entry of document.querySelectorAll("[role=list] > [role=doc-biblioentry]")) {
    entry.setAttribute("role", "listitem");
  }
}

// What is wider than its column scrolls sideways: its edge fades where it goes on, and the keyboard reaches it.
const SCROLLERS = ".bd-content :is(.theory-map-box, span.math, div.math mjx-container, .drawing.single, pre, table.dataframe, .cell_output table, "
  + ".pst-scrollable-table-container)";

function cue(box) {
  const wide = box.scrollWidth > box.clientWidth + 4; // an accent may lean out of its formula
  box.classList.toggle("goes-on", wide && box.scrollLeft + box.clientWidth < box.scrollWidth - 4);
  if (box.matches("pre, table, .drawing")) {
    if (wide) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}

function cueAll() {
  for (const box of document.querySelectorAll(SCROLLERS)) cue(box);
}

// Paper does not scroll: formulas and tables become smaller there.
const PAPER = 620; // CSS pixels of a column on A4
function shrink() {
  for (const box of document.querySelectorAll(SCROLLERS)) {
    if (box.matches("pre, .drawing") || box.scrollWidth === 0) continue;
    const share = Math.min(PAPER, box.clientWidth || PAPER) / box.scrollWidth;
    if (share < 0.99) box.style.zoom = Math.floor(share * 100) / 100;
  }
}

function regrow() {
  for (const box of document.querySelectorAll(SCROLLERS)) box.style.zoom = "";
}

function watchWidths() {
  const watch = new ResizeObserver(cueAll);
  for (const box of document.querySelectorAll(`.bd-article, ${SCROLLERS}`)) watch.observe(box);
  document.fonts.ready.then(cueAll);
  window.MathJax?.startup?.promise?.then(cueAll);
  document.addEventListener("scroll", (event) => event.target.matches?.(SCROLLERS) && cue(event.target), true);
  addEventListener("beforeprint", shrink);
  addEventListener("afterprint", regrow);
  matchMedia("print").addEventListener("change", (event) => (event.matches ? shrink : regrow)());
}

// On the map of the theory, show what a statement rests on while it is pointed at or reached by the keyboard.
function traceMap() {
  for (const map of document.querySelectorAll("svg.theory-map")) {
    const lines = [...map.querySelectorAll("path")];
    const trace = (label) => {
      const on = new Set(label ? [label] : []);
      for (const each of on) {
        for (const line of lines) if (line.dataset.to === each) on.add(line.dataset.from);
      }
      map.classList.toggle("traced", on.size > 0);
      for (const node of map.querySelectorAll(".node")) node.classList.toggle("on", on.has(node.dataset.label));
      for (const line of lines) line.classList.toggle("on", on.has(line.dataset.to));
    };
    for (const node of map.querySelectorAll(".node")) {
      for (const event of ["pointerenter", "focus"]) node.addEventListener(event, () => trace(node.dataset.label));
      for (const event of ["pointerleave", "blur"]) node.addEventListener(event, () => trace(""));
    }
  }
}

// The reading view: code is folded away, and one switch shows it. What is folded is still found by the browser's
// search, where that can look into hidden text. On paper there is no code (book.css).
const FOLDED = "onbeforematch" in document.documentElement ? "until-found" : "";

// The script in the head (tools/book_extension.py) has read the reader's choice before anything was drawn.
const codeShown = () => document.documentElement.dataset.code === "shown";

function chooseCode(shown) {
  try {
    if (shown) localStorage.setItem("pairint-code", "shown");
    else localStorage.removeItem("pairint-code");
  } catch {
    // refused: the choice holds for this page
  }
  drawCode(shown);
}

function drawCode(shown) {
  document.documentElement.dataset.code = shown ? "shown" : "folded";
  for (const each of document.querySelectorAll(".code-switch")) each.setAttribute("aria-checked", shown);
  for (const input of document.querySelectorAll(".cell > .cell_input")) fold(input, !shown);
}

function fold(input, folded) {
  if (folded) input.setAttribute("hidden", FOLDED);
  else input.removeAttribute("hidden");
  input.parentElement.querySelector(":scope > .code-mark")?.setAttribute("aria-expanded", !folded);
}

// A number, a line or a table has a small mark for its code; imports and what only draws have none.
function hasResult(cell) {
  return [...cell.querySelectorAll(":scope > .cell_output :is(pre, table)")].some((each) => !each.closest(".pairint-explorer"));
}

function foldCode() {
  const inputs = [...document.querySelectorAll(".cell > .cell_input")];
  if (inputs.length === 0) return;
  for (const input of inputs) {
    const cell = input.parentElement;
    input.id ||= `${cell.id}-input`;
    const mark = document.createElement("button");
    Object.assign(mark, { type: "button", className: "code-mark", textContent: "Code" });
    mark.setAttribute("aria-label", `The code of cell ${Number(cell.id.split("-").pop()) + 1}`);
    mark.setAttribute("aria-controls", input.id);
    mark.addEventListener("click", () => fold(input, !input.hasAttribute("hidden")));
    input.before(mark);
    input.addEventListener("beforematch", () => fold(input, false));
    cell.classList.toggle("no-result", !hasResult(cell));
    cell.classList.toggle("no-output", cell.lastElementChild === input);
  }
  const toggle = document.createElement("button");
  Object.assign(toggle, { type: "button", className: "btn btn-sm code-switch" });
  // The head of a telephone has no room for two words.
  toggle.innerHTML = '<span class="roomy">Show code</span><span class="tight">Code</span>';
  toggle.setAttribute("role", "switch");
  toggle.addEventListener("click", () => chooseCode(!codeShown()));
  document.querySelector(".article-header-buttons")?.prepend(toggle);
  drawCode(codeShown());
  // The same choice in every tab, and on a page to which the reader goes back.
  addEventListener("storage", ({ key, newValue }) => key === "pairint-code" && drawCode(newValue === "shown"));
  addEventListener("pageshow", ({ persisted }) => {
    if (!persisted) return;
    try {
      drawCode(localStorage.getItem("pairint-code") === "shown");
    } catch {
      // refused: what the page shows stands
    }
  });
}

foldCode();
addEventListener("load", repair);
addEventListener("load", traceMap);
addEventListener("load", watchWidths);
// Font Awesome draws the icons when it pleases, and then marks the root element.
new MutationObserver(repair).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
