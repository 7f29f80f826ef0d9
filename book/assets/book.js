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

// A table that is wider than its column scrolls sideways: the keyboard must reach it.
function reachTables() {
  for (const table of document.querySelectorAll(".bd-content table.dataframe, .bd-content .cell_output table")) {
    if (table.scrollWidth > table.clientWidth) table.tabIndex = 0;
    else table.removeAttribute("tabindex");
  }
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

addEventListener("load", repair);
addEventListener("load", traceMap);
addEventListener("load", reachTables);
addEventListener("resize", reachTables);
// Font Awesome draws the icons when it pleases, and then marks the root element.
new MutationObserver(repair).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
