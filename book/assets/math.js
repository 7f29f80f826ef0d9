// Formulas are set after the first picture of the page: MathJax is fetched when all else is there, what the reader sees is
// set first, and between two pieces of work the page answers. Until then a formula is its source.
const AT_ONCE = 50; // formulas: each piece of work costs a layout of the page, whatever it sets
const BESIDE = new URL("vendor/mathjax/", document.currentScript.src).href;

let settle;
const allSet = new Promise((resolve) => { settle = resolve; });
let waiting = [];

// The formulas of the page: those on the screen, what follows, and last what stands before or is folded away.
function inOrder() {
  const places = [...document.querySelectorAll(".math")]
    .filter((each) => !each.querySelector("mjx-container"))
    .map((element) => ({ element, box: element.getBoundingClientRect() }));
  const where = ({ element, box }) => {
    if (box.bottom < 0 || box.width === 0 || element.closest("[hidden]")) return 2;
    return box.top < innerHeight ? 0 : 1;
  };
  return [0, 1, 2].map((part) => places.filter((each) => where(each) === part).map(({ element }) => element));
}

// The page answers what its reader does before the next piece of work begins.
const pause = () => new Promise((resolve) => (window.requestIdleCallback ?? setTimeout)(resolve, { timeout: 500 }));

async function setAll() {
  const [seen, ...others] = inOrder();
  waiting = others.flat();
  if (seen.length) await MathJax.typesetPromise(seen);
  while (waiting.length) {
    await pause();
    const next = waiting.splice(0, AT_ONCE);
    if (next.length) await MathJax.typesetPromise(next);
  }
  settle();
}

window.MathJax = {
  loader: { load: ["core", "input/tex", "output/chtml", "a11y/assistive-mml"] },
  chtml: { adaptiveCSS: false }, // rules that come bit by bit cost more than all at once
  // Whoever needs the formulas waits for this; MathJax puts a promise in its place that waits for the same.
  startup: { typeset: false, promise: allSet, pageReady: setAll },
};

function fetchMathJax() {
  if (!document.querySelector(".math")) {
    settle();
    return;
  }
  const script = document.createElement("script");
  script.src = `${BESIDE}startup.js`;
  script.onerror = settle; // formulas stay what they are
  document.head.append(script);
}

// After two frames the first picture has been shown. A page in the background shows none.
function afterFirstPicture() {
  if (document.hidden) fetchMathJax();
  else requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(fetchMathJax)));
}

afterFirstPicture();
addEventListener("beforeprint", () => {
  if (waiting.length && window.MathJax.typeset) MathJax.typeset(waiting.splice(0));
});
