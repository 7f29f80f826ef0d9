// Repairs of the theme that a stylesheet cannot make. They wait for the theme's own scripts.
addEventListener("load", () => {
  // A button that shows words is named by them: a label that says something else misleads those who speak to it.
  for (const button of document.querySelectorAll("button[aria-label]")) {
    const words = button.innerText.trim().replace(/\s+/g, " ");
    const label = button.getAttribute("aria-label");
    if (words && !label.toLowerCase().includes(words.toLowerCase())) {
      button.setAttribute("aria-label", `${label}: ${words}`);
    }
  }
});
