// Repairs of the theme that a stylesheet cannot make.
function repair() {
  for (const button of document.querySelectorAll("button[aria-label], a[aria-label]")) {
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

const LEAN = 4; // CSS pixels by which an accent may lean out of its formula

function cue(box) {
  const beyond = () => box.scrollWidth > box.clientWidth + LEAN;
  if (box.matches("table.captioned") && beyond()) box.classList.add("tight");
  const wide = beyond();
  box.classList.toggle("goes-on", wide && box.scrollLeft + box.clientWidth < box.scrollWidth - LEAN);
  if (wide) box.tabIndex = 0;
  else box.removeAttribute("tabindex");
}

// A formula that is a little too wide for its column is set a little smaller instead.
const LEAST = 0.75;
let onPaper = false; // where shrink() says how large it is
function fit(box) {
  const room = String(box.parentElement.clientWidth);
  if (onPaper || box.dataset.room === room) return;
  box.dataset.room = room;
  box.style.zoom = "";
  const share = box.clientWidth / box.scrollWidth;
  if (share < 1 && share >= LEAST) box.style.zoom = Math.floor(100 * share) / 100;
}

function cueAll() {
  for (const box of document.querySelectorAll(SCROLLERS)) {
    if (box.matches("mjx-container[display]")) fit(box);
    cue(box);
  }
}

// Paper does not scroll: formulas and tables become smaller there. Nor does it unfold: tables stand open.
const PAPER = 620; // CSS pixels of a column on A4
function shrink() {
  onPaper = true;
  for (const box of document.querySelectorAll("details.folded-table:not([open])")) {
    box.open = true;
    box.dataset.paper = "opened";
  }
  for (const box of document.querySelectorAll(SCROLLERS)) {
    if (box.matches("pre, .drawing") || box.scrollWidth === 0) continue;
    box.style.zoom = "";
    const room = Math.min(PAPER, box.clientWidth || PAPER);
    if (box.scrollWidth > room + LEAN) box.style.zoom = Math.floor((100 * room) / box.scrollWidth) / 100;
  }
}

function regrow() {
  onPaper = false;
  for (const box of document.querySelectorAll(SCROLLERS)) {
    box.style.zoom = "";
    delete box.dataset.room;
  }
  cueAll();
  for (const box of document.querySelectorAll("details[data-paper]")) {
    box.open = false;
    delete box.dataset.paper;
  }
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

// The reading view: code and long proofs are folded away, and a switch for each shows them. What is folded is still
// found by the browser's search, where that can look into hidden text. On paper there is no code, and each proof
// (book.css).
const FOLDED = "onbeforematch" in document.documentElement ? "until-found" : "";
const CHOICES = {
  code: { boxes: ".cell > .cell_input", words: "Show code", word: "Code" },
  proofs: { boxes: ".proof-fold > .a-proof", words: "Open all proofs", word: "Proofs" },
};

// The script in the head (tools/book_extension.py) has read the reader's choices before anything was drawn.
const shown = (name) => document.documentElement.dataset[name] === "shown";

function choose(name, on) {
  try {
    if (on) localStorage.setItem(`pairint-${name}`, "shown");
    else localStorage.removeItem(`pairint-${name}`);
  } catch {
    // refused: the choice holds for this page
  }
  draw(name, on);
}

function draw(name, on) {
  document.documentElement.dataset[name] = on ? "shown" : "folded";
  for (const each of document.querySelectorAll(`.${name}-switch`)) each.setAttribute("aria-checked", on);
  for (const box of document.querySelectorAll(CHOICES[name].boxes)) fold(box, !on);
}

const marks = new WeakMap(); // from what is folded to the button that folds it

function fold(box, folded) {
  if (folded) box.setAttribute("hidden", FOLDED);
  else box.removeAttribute("hidden");
  marks.get(box)?.setAttribute("aria-expanded", !folded);
}

// A button that opens and closes a box.
function mark(box, name, label, word) {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: `${name}-mark`, textContent: word });
  button.setAttribute("aria-label", label);
  button.setAttribute("aria-controls", box.id);
  button.addEventListener("click", () => fold(box, !box.hasAttribute("hidden")));
  marks.set(box, button);
  box.addEventListener("beforematch", () => fold(box, false));
  box.before(button);
  return button;
}

function switchFor(name, inner, where = "in-head") {
  const toggle = document.createElement("button");
  Object.assign(toggle, { type: "button", className: `btn btn-sm choice-switch ${name}-switch ${where}`, innerHTML: inner });
  toggle.setAttribute("role", "switch");
  toggle.addEventListener("click", () => choose(name, !shown(name)));
  return toggle;
}

function addSwitch(name) {
  const { words, word } = CHOICES[name];
  // The head of a telephone has no room for two words.
  const inner = `<span class="roomy">${words}</span><span class="tight">${word}</span>`;
  document.querySelector(".article-header-buttons")?.prepend(switchFor(name, inner));
  // Nor for two switches: that of the proofs is beside the first of them there.
  if (name === "proofs") document.querySelector(".proof-mark").after(switchFor(name, words, "beside"));
  draw(name, shown(name));
  // The same choice in every tab, and on a page to which the reader goes back.
  addEventListener("storage", ({ key, newValue }) => key === `pairint-${name}` && draw(name, newValue === "shown"));
  addEventListener("pageshow", ({ persisted }) => {
    if (!persisted) return;
    try {
      draw(name, localStorage.getItem(`pairint-${name}`) === "shown");
    } catch {
      // refused: what the page shows stands
    }
  });
}

// A number, a line or a table has a small mark for its code; imports and what only draws have none.
function hasResult(cell) {
  return [...cell.querySelectorAll(":scope > .cell_output :is(pre, table, .result)")].some((each) => !each.closest(".pairint-explorer"));
}

function foldCode() {
  const inputs = [...document.querySelectorAll(CHOICES.code.boxes)];
  if (inputs.length === 0) return;
  for (const input of inputs) {
    const cell = input.parentElement;
    input.id ||= `${cell.id}-input`;
    mark(input, "code", `The code of cell ${Number(cell.id.split("-").pop()) + 1}`, "Code");
    cell.classList.toggle("no-result", !hasResult(cell));
    cell.classList.toggle("no-output", cell.lastElementChild === input);
  }
  addSwitch("code");
}

// What a proof proves: the statement that it names at its beginning, or else the last one before it.
function proved(proof) {
  if (/^Proof\. Of\b/.test(proof.textContent.trim())) return proof.querySelector("a")?.textContent.trim();
  const before = [...document.querySelectorAll(".proof > .admonition-title .caption-number")]
    .filter((each) => each.compareDocumentPosition(proof) & Node.DOCUMENT_POSITION_FOLLOWING);
  return before.at(-1)?.textContent.trim();
}

function foldProofs() {
  const proofs = [...document.querySelectorAll(CHOICES.proofs.boxes)];
  if (proofs.length === 0) return;
  for (const proof of proofs) {
    const statement = proved(proof);
    mark(proof, "proof", statement ? `Proof of ${statement}` : "Proof", "Proof");
  }
  addSwitch("proofs");
  // A link into a folded proof opens it: on arrival, by a link on the page, and by the browser's own buttons.
  const reveal = (hash) => {
    let target = null;
    try {
      target = document.getElementById(decodeURIComponent(hash.slice(1)));
    } catch {
      // no name that could be decoded: nothing is meant
    }
    const proof = target?.closest(`${CHOICES.proofs.boxes}[hidden]`);
    if (!proof) return;
    fold(proof, false);
    target.scrollIntoView();
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (link?.hash && link.href.split("#")[0] === location.href.split("#")[0]) reveal(link.hash);
  });
  addEventListener("hashchange", () => reveal(location.hash));
  reveal(location.hash);
}

// The meaning of a word opens under the word, within the column; a finger sees it first, and follows the link next.
function explainWords() {
  let finger = false;
  document.addEventListener("pointerdown", (event) => { finger = event.pointerType === "touch"; }, true);
  for (const word of document.querySelectorAll(".word")) {
    const [link, meaning] = word.children;
    const place = () => {
      word.classList.remove("hushed");
      const column = word.closest("p").getBoundingClientRect();
      const wide = Math.min(column.width, 22 * parseFloat(getComputedStyle(document.documentElement).fontSize));
      const left = link.getClientRects()[0].left - column.left;
      meaning.style.setProperty("--at", `${Math.max(0, Math.min(left, column.width - wide))}px`);
    };
    word.addEventListener("pointerenter", place);
    link.addEventListener("focus", place);
    link.addEventListener("blur", () => delete link.dataset.read);
    link.addEventListener("click", (event) => {
      if (!finger || "read" in link.dataset) return;
      event.preventDefault();
      link.dataset.read = "";
      link.focus();
    });
  }
  document.addEventListener("keydown", ({ key }) => {
    if (key === "Escape") for (const word of document.querySelectorAll(".word:is(:hover, :focus-within)")) word.classList.add("hushed");
  });
}

// Formulas in what is folded have been measured (book.css).
async function formulasAreSet() {
  await window.MathJax?.startup?.promise;
  document.documentElement.dataset.typeset = "";
}

foldProofs();
foldCode();
explainWords();
addEventListener("load", formulasAreSet);
addEventListener("load", repair);
addEventListener("load", traceMap);
addEventListener("load", watchWidths);
