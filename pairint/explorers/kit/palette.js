// Colours by role, and the page's own switch between light and dark.

// Okabe and Ito's palette by role; on a dark ground each role takes the member that stands out there. Their
// orange is darkened on white, where it has too little contrast for a line; "rim" is the outline of an area.
export const PALETTES = {
  light: {
    ground: "#ffffff", ink: "#1b1f24", muted: "#57606a", grid: "#e3e6ea", frame: "#8b949e",
    blue: "#0072B2", vermillion: "#D55E00", green: "#009E73", purple: "#CC79A7", orange: "#B37600", sky: "#56B4E9", rim: "#2B83B8",
  },
  dark: {
    ground: "#171b22", ink: "#e8eaed", muted: "#a8b1bd", grid: "#2c333d", frame: "#6e7884",
    blue: "#56B4E9", vermillion: "#E69F00", green: "#00B386", purple: "#CC79A7", orange: "#F0E442", sky: "#0072B2", rim: "#4A9BD1",
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
