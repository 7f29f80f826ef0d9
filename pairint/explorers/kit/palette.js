// Colours by role, and the page's own switch between light and dark.

// One colour, one meaning in the whole book: those of pairint.figures.style, on a dark ground those of its DARK.
// "first" to "fourth" mean nothing beyond a figure. "rim" is the outline of data, too light for a line on white.
export const PALETTES = {
  light: {
    ground: "#ffffff", ink: "#1b1f24", truth: "#1b1f24", muted: "#57606a", grid: "#e3e6ea", frame: "#8b949e", rim: "#2B83B8",
    fit: "#D55E00", oracle: "#009E73", bound: "#0072B2", matrix: "#CC79A7", data: "#56B4E9", first: "#332288", second: "#B37600", third: "#882255", fourth: "#8A9A3B",
  },
  dark: {
    ground: "#171b22", ink: "#e8eaed", truth: "#e8eaed", muted: "#a8b1bd", grid: "#2c333d", frame: "#6e7884", rim: "#4A9BD1",
    fit: "#FF7A50", oracle: "#5BC297", bound: "#6094CE", matrix: "#FE9EDF", data: "#4CDDFE", first: "#7770DB", second: "#FDC412", third: "#C55E5E", fourth: "#868101",
  },
};

// The page's own switch first (the book, JupyterLab, Colab, VS Code), the system's preference otherwise.
export function currentScheme() {
  const root = document.documentElement;
  const body = document.body;
  const named = root.dataset.theme ?? root.getAttribute("theme");
  if (named === "dark" || named === "light") return named;
  if (body?.dataset.jpThemeLight) return body.dataset.jpThemeLight === "false" ? "dark" : "light";
  if (body?.dataset.vscodeThemeKind) return body.dataset.vscodeThemeKind.includes("dark") ? "dark" : "light";
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

export function watchScheme(callback) {
  const observer = new MutationObserver(callback);
  const attributes = ["data-theme", "theme", "data-jp-theme-light", "data-vscode-theme-kind"];
  for (const node of [document.documentElement, document.body]) {
    observer.observe(node, { attributes: true, attributeFilter: attributes });
  }
  const query = matchMedia("(prefers-color-scheme: dark)");
  query.addEventListener("change", callback);
  return () => {
    observer.disconnect();
    query.removeEventListener("change", callback);
  };
}
