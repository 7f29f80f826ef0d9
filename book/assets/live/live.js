// "Run this page": the cells of a built page, edited and run in the reader's browser.
//
// Nothing is loaded before the reader presses the button; what is, comes from the book's own host. Python runs
// in a worker, so the page stays alive, and stopping it is ending the worker.

// A plain script, not a module: browsers run no module of a page that was opened from a file.
"use strict";
{
  const script = document.querySelector("script[data-live-page]");
  const pageName = script.dataset.livePage;
  const here = script.src;
  const root = new URL("../", here).href; // the book's _static
  const SERVE = "python -m http.server --directory _build/html";
  const PROGRAM = /^(module|text\/javascript|application\/javascript)?$/i; // types of scripts that run
  const MAX_OUTPUT = 200_000; // characters of text a cell may print before the rest is left out

  const REASONS = {
    cut: (file) => `The download of ${file} was cut off. What has arrived is kept: press the button to go on.`,
    missing: (file) => `The host does not have ${file}: this copy of the book is not complete.`,
    altered: (file) =>
      `${file} is not the file that this book was built with, so it was not run. Reload the page; if that does not help, the copy on this host is damaged.`,
    memory: () => "Python ran out of memory and was ended. Restart it; a phone may have too little.",
    python: () => "Python could not be started in this browser. A recent Firefox, Chrome, Edge or Safari can.",
  };

  const element = (tag, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  };

  // What was typed outlives the tab, where the browser lets it; where it does not, it lives as long as the page.
  const memory = new Map();
  const shelf = {
    key: (index) => `pairint-live:${pageName}:${index}`,
    get(index) {
      try {
        return localStorage.getItem(this.key(index)) ?? memory.get(index) ?? null;
      } catch {
        return memory.get(index) ?? null;
      }
    },
    set(index, text) {
      memory.set(index, text);
      try {
        localStorage.setItem(this.key(index), text);
      } catch {
        // refused or full
      }
    },
    remove(index) {
      memory.delete(index);
      try {
        localStorage.removeItem(this.key(index));
      } catch {
        // refused
      }
    },
  };

  class Cell {
    constructor(index, { source, shown, alt }, run) {
      this.index = index;
      this.source = source;
      this.alt = alt;
      this.node = document.getElementById(`code-cell-${index}`);
      this.ran = false;
      this.name = `cell ${index + 1}`;
      this.stillOutputs = [...this.node.querySelectorAll(":scope > .cell_output, :scope > figure")];
      this.captions = [...this.node.querySelectorAll(":scope > .cell_output figcaption")];
      this.editor = element("textarea", { className: "live-editor", spellcheck: false, autocomplete: "off" });
      this.editor.setAttribute("autocapitalize", "off");
      this.editor.setAttribute("aria-label", `Code of ${this.name}`);
      this.button = element("button", { type: "button", className: "live-button", textContent: "Run" });
      this.button.setAttribute("aria-label", `Run ${this.name}`);
      this.button.addEventListener("click", () => run(this));
      this.undo = element("button", { type: "button", className: "live-button", textContent: "Reset" });
      this.undo.setAttribute("aria-label", `Reset ${this.name}`);
      this.undo.addEventListener("click", () => this.reset());
      this.note = element("span", { className: "live-note" });
      const inside = element(
        "div",
        { className: "live-input" },
        this.editor,
        element("div", { className: "live-row" }, this.button, this.undo, this.note),
      );
      this.input = shown
        ? inside
        : element("details", { className: "live-hidden" }, element("summary", { textContent: "Code of this output" }), inside);
      this.output = element("div", { className: "cell_output docutils container live-output" });
      this.editor.value = shelf.get(index) ?? source;
      this.editor.addEventListener("input", () => this.edited());
      this.editor.addEventListener("keydown", (event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.shiftKey || event.metaKey)) {
          event.preventDefault();
          run(this);
        }
      });
      if (!shown) this.input.addEventListener("toggle", () => this.fit());
    }

    open() {
      this.node.classList.add("live"); // the page's own code makes room (book.css)
      this.node.prepend(this.input);
      this.node.append(this.output);
      this.output.hidden = true;
      this.edited(false);
    }

    close() {
      this.input.remove();
      this.output.remove();
      this.node.classList.remove("live");
      for (const still of this.stillOutputs) still.hidden = false;
    }

    fit() {
      this.editor.rows = Math.max(1, this.editor.value.split("\n").length);
    }

    edited(keep = true) {
      const changed = this.editor.value !== this.source;
      if (keep && changed) shelf.set(this.index, this.editor.value);
      if (keep && !changed) shelf.remove(this.index);
      if (keep) this.ran = false;
      this.undo.hidden = !changed;
      this.note.textContent = changed ? "Changed by you" : "";
      this.fit();
    }

    reset() {
      this.editor.value = this.source;
      this.edited();
      this.editor.focus();
    }

    // The place where the page's own output stood is cleared for a new one.
    begin() {
      for (const still of this.stillOutputs) still.hidden = true;
      this.output.replaceChildren();
      this.output.hidden = false;
      this.printed = 0;
      this.pictures = 0;
      this.note.textContent = "Running";
      this.node.setAttribute("aria-busy", "true");
    }

    end(word) {
      this.node.removeAttribute("aria-busy");
      this.note.textContent = word || (this.undo.hidden ? "" : "Changed by you");
    }

    show(kind, content) {
      if (kind === "stdout" || kind === "stderr" || kind === "text" || kind === "error") {
        let box = this.output.lastElementChild;
        if (kind === "text" || kind === "error" || !box?.classList.contains(kind)) {
          const pre = element("pre", { tabIndex: 0 });
          pre.setAttribute("role", "region");
          pre.setAttribute("aria-label", kind === "error" ? `Error in ${this.name}` : `Text printed by ${this.name}`);
          box = element("div", { className: `output live-text ${kind}` }, element("div", { className: "highlight" }, pre));
          this.output.append(box);
        }
        if (this.printed > MAX_OUTPUT && kind !== "error") return;
        this.printed += content.length;
        const cut = this.printed > MAX_OUTPUT && kind !== "error" ? "\n… the rest is left out" : "";
        box.querySelector("pre").append(content + cut);
      } else if (kind === "png") {
        const alt = this.alt || `Picture drawn by ${this.name}`;
        const picture = element("img", { src: `data:image/png;base64,${content}`, alt });
        const caption = this.captions[this.pictures++]?.cloneNode(true);
        caption?.querySelectorAll(".headerlink").forEach((link) => link.remove()); // it stays at the built figure
        this.output.append(caption ? element("figure", {}, picture, caption) : picture);
      } else {
        const box = element("div", { className: `output text_html` });
        box.innerHTML = content;
        // A script that is set as HTML does not run: each is made anew.
        for (const still of box.querySelectorAll("script")) {
          const alive = document.createElement("script");
          for (const { name, value } of still.attributes) alive.setAttribute(name, value);
          // The page's policy runs what the build wrote into the page, and what its own scripts have made.
          if (still.src || !PROGRAM.test(still.type)) alive.textContent = still.textContent;
          else {
            alive.src = URL.createObjectURL(new Blob([still.textContent], { type: "text/javascript" }));
            for (const end of ["load", "error"]) alive.addEventListener(end, () => URL.revokeObjectURL(alive.src), { once: true });
          }
          still.replaceWith(alive);
        }
        this.output.append(box);
        if (box.querySelector(".math")) globalThis.MathJax?.typesetPromise?.([box]);
      }
    }
  }

  // What an interactive figure that a cell has shown knows of Python: the model of a widget, and its button that
  // draws fresh data.
  class Drawn {
    constructor(state, ask) {
      this.state = { ...state, draws: true, simulated: {}, simulated_at: {}, simulation: {} };
      this.ask = ask;
      this.listeners = {};
    }

    get(key) {
      return this.state[key];
    }

    set(key, value) {
      this.state[key] = value;
      if (key.startsWith("simulat")) for (const listener of this.listeners[`change:${key}`] ?? []) listener();
    }

    save_changes() {}

    on(event, listener) {
      (this.listeners[event] ??= new Set()).add(listener);
    }

    off(event, listener) {
      this.listeners[event]?.delete(listener);
    }

    send({ type, values }) {
      if (type === "simulate") {
        const { free } = this.state.spec.simulation;
        const same = ([key, value]) => free.includes(key) || values[key] === value;
        if (!Object.entries(this.state.simulated_at).every(same)) this.set("simulated", {});
        this.state.simulated_at = { ...values };
        const asked = this.ask({ do: "simulate", values: { ...values } });
        this.tell(asked ? 0 : null, asked ? "Simulating…" : "Python does not run any more: run the cell again.");
      } else if (type === "cancel") {
        this.ask({ do: "cancel" });
      } else {
        this.set("simulated", {});
        this.tell(null, "");
      }
    }

    tell(fraction, message) {
      this.set("simulation", { running: fraction !== null, done: fraction ?? 0, total: 1, message });
    }

    hear({ fraction, points, end }) {
      if (fraction !== undefined) this.tell(fraction, `Simulating… ${(100 * fraction).toFixed(0)} %`);
      if (points) {
        const joined = { ...this.state.simulated };
        for (const [key, columns] of Object.entries(points)) {
          const old = joined[key] ?? {};
          joined[key] = Object.fromEntries(Object.entries(columns).map(([name, v]) => [name, [...(old[name] ?? []), ...v]]));
        }
        this.set("simulated", joined);
      }
      if (end) this.tell(null, end);
    }
  }

  class Page {
    constructor() {
      this.figures = new Map();
      globalThis.pairintLive = { model: (name, state) => this.model(name, state) };
      this.cells = null;
      this.worker = null;
      this.ready = null; // a promise, while Python lives or starts
      this.queue = [];
      this.current = null;
      this.go = this.command("Run this page", () => this.start());
      this.all = this.command("Run all", () => this.runAll());
      this.stopButton = this.command("Stop", () => this.stop("Stopped. What the cells had computed is gone; what you typed is not."));
      this.restartButton = this.command("Restart", () => this.restart());
      this.resetButton = this.command("Reset all cells", () => this.resetAll());
      this.closeButton = this.command("Back to the page as built", () => this.close());
      this.status = element("p", { className: "live-status" });
      this.status.setAttribute("role", "status");
      this.bar = element("progress", { className: "live-progress", max: 1, value: 0, hidden: true });
      this.bar.setAttribute("aria-label", "Download of Python");
      this.panel = element(
        "div",
        { className: "live-panel" },
        element("div", { className: "live-row" }, this.go, this.all, this.stopButton, this.restartButton, this.resetButton, this.closeButton),
        this.bar,
        this.status,
      );
      this.panel.setAttribute("role", "region");
      this.panel.setAttribute("aria-label", "Run this page");
      this.say("Python starts in your browser, and you can change the code. Nothing is installed; nothing leaves this machine.");
      this.dress("still");
    }

    command(words, act) {
      const button = element("button", { type: "button", className: "live-button", textContent: words });
      button.addEventListener("click", act);
      return button;
    }

    say(words) {
      this.status.textContent = words;
    }

    // Which buttons there are: "still" before a start, "starting", "idle", "running", "dead" after an end.
    dress(state) {
      this.panel.dataset.state = state;
      this.go.hidden = !["still", "dead"].includes(state) || (state === "dead" && Boolean(this.cells));
      this.all.hidden = !["idle", "dead"].includes(state) || !this.cells;
      this.stopButton.hidden = !["starting", "running"].includes(state);
      this.stopButton.textContent = state === "starting" ? "Cancel" : "Stop";
      this.restartButton.hidden = state !== "idle";
      this.resetButton.hidden = !this.cells || !["idle", "dead"].includes(state);
      this.closeButton.hidden = !this.cells || !["idle", "dead"].includes(state);
      this.bar.hidden = state !== "starting";
    }

    async start() {
      if (location.protocol === "file:") {
        this.say(`A browser starts no Python for a page opened from a file. In the folder of the book, type “${SERVE}”, then open http://localhost:8000.`);
        return;
      }
      if (typeof WebAssembly !== "object" || typeof Worker !== "function") {
        this.say("This browser has no WebAssembly, which Python needs here. A recent Firefox, Chrome, Edge or Safari has it; so does the notebook, from the download button above.");
        return;
      }
      if (!(await this.open())) return;
      await this.runAll();
    }

    async open() {
      if (this.cells) return true;
      this.dress("starting");
      try {
        const response = await fetch(new URL(`live/cells/${pageName}.json`, root));
        if (!response.ok) throw new Error(String(response.status));
        const described = await response.json();
        this.needs = described.needs;
        this.cells = described.cells.map((cell, index) => new Cell(index, cell, (chosen) => this.run(chosen)));
      } catch {
        this.dress("dead");
        this.say("The cells of this page could not be fetched. Are you online? Press the button to try again.");
        return false;
      }
      for (const cell of this.cells) cell.open();
      return true;
    }

    boot() {
      if (this.ready) return this.ready;
      const before = performance.now();
      this.dress("starting");
      const worker = new Worker(new URL("worker.mjs", here), { type: "module" });
      this.worker = worker;
      this.ready = new Promise((resolve) => {
        this.settle = resolve;
        worker.addEventListener("message", ({ data }) => {
          if (worker === this.worker) this.hear(data, before);
        });
        worker.addEventListener("error", (event) => {
          event.preventDefault();
          if (worker === this.worker) this.hear({ is: "failed", reason: "python", file: "" });
        });
      });
      worker.postMessage({ do: "start", static: root, needs: this.needs });
      return this.ready;
    }

    // A figure of the page as built has no Python, nor has one whose Python has ended.
    model(name, state) {
      if (!name.startsWith("live-") || !state.spec.simulation) return null;
      const worker = this.worker;
      const ask = (message) => {
        if (!worker || worker !== this.worker) return false;
        worker.postMessage({ ...message, figure: name });
        return true;
      };
      this.figures.set(name, new Drawn(state, ask));
      return this.figures.get(name);
    }

    hear(data, before) {
      if (data.is === "progress") {
        const mb = (bytes) => (bytes / 1e6).toFixed(0);
        this.bar.max = data.total || 1;
        this.bar.value = data.loaded;
        const steps = {
          download: "Step 1 of 3: fetching Python and its packages",
          start: "Step 2 of 3: starting Python, fetching its packages",
          imports: "Step 3 of 3: importing what the page needs",
        };
        this.say(`${steps[data.step]}, ${mb(data.loaded)} of ${mb(data.total)} MB`);
      } else if (data.is === "fetching") {
        this.say(`Fetching ${data.part}, ${(data.bytes / 1e6).toFixed(1)} MB, which this page did not need so far`);
      } else if (data.is === "ready") {
        const seconds = (performance.now() - before) / 1000;
        this.panel.dataset.start = seconds.toFixed(1);
        this.say(`Python is ready after ${seconds.toFixed(0)} s. Ctrl+Enter or Shift+Enter runs a cell.`);
        this.dress("idle");
        this.settle(true);
      } else if (data.is === "output") {
        this.cells[data.id].show(data.kind, data.content);
      } else if (data.is === "drawn") {
        this.figures.get(data.figure)?.hear(data);
      } else if (data.is === "done") {
        this.finished?.(data.good);
      } else if (data.is === "failed") {
        this.stop(REASONS[data.reason](data.file));
        this.panel.dataset.detail = data.detail ?? "";
      }
    }

    // Runs a cell, after those above it that have not run since Python started or since they were changed.
    async run(cell) {
      for (const above of this.cells.slice(0, cell.index)) if (!above.ran) this.add(above);
      cell.ran = false;
      this.add(cell);
      await this.work();
    }

    async runAll() {
      for (const cell of this.cells) {
        cell.ran = false;
        this.add(cell);
      }
      await this.work();
    }

    add(cell) {
      if (!this.queue.includes(cell)) this.queue.push(cell);
    }

    async work() {
      if (this.busy) return;
      this.busy = true;
      const good = await this.boot();
      const before = performance.now();
      let wrong = null;
      while (good && this.queue.length && this.worker) {
        const cell = this.queue.shift();
        this.dress("running");
        this.say(`Running ${cell.name} of ${this.cells.length}`);
        cell.begin();
        this.current = cell;
        const done = new Promise((resolve) => (this.finished = resolve));
        this.worker.postMessage({ do: "run", id: cell.index, source: cell.editor.value, name: cell.name });
        const ended = await done;
        this.current = null;
        if (ended === null) break; // stopped: that was said already
        cell.ran = ended;
        cell.end(ended ? "" : "Ended with an error");
        cell.undo.hidden = cell.editor.value === cell.source;
        if (!ended) {
          wrong = cell;
          this.queue = [];
        }
      }
      this.busy = false;
      if (!this.worker) return;
      this.worker.postMessage({ do: "rest" });
      this.dress("idle");
      const seconds = ((performance.now() - before) / 1000).toFixed(1);
      this.say(wrong ? `An error in ${wrong.name}: it stands below the cell.` : `Done in ${seconds} s.`);
      this.panel.dataset.seconds = seconds;
    }

    stop(words) {
      this.worker?.terminate();
      this.worker = this.ready = null;
      this.queue = [];
      for (const figure of this.figures.values()) if (figure.state.simulation.running) figure.tell(null, "Stopped.");
      this.figures.clear();
      for (const cell of this.cells ?? []) cell.ran = false;
      this.current?.end("Stopped");
      this.dress("dead");
      this.say(words);
      this.settle?.(false);
      this.finished?.(null);
      this.finished = null;
    }

    async restart() {
      this.stop("Restarting");
      await Promise.resolve();
      await this.boot();
    }

    resetAll() {
      for (const cell of this.cells) {
        cell.editor.value = cell.source;
        cell.edited();
      }
      this.say("All cells have their first text again.");
    }

    close() {
      this.stop("");
      for (const cell of this.cells) cell.close();
      this.cells = null;
      this.say("This is the page as it was built. What you changed in cells is kept for the next run.");
      this.dress("still");
      this.go.focus();
    }
  }

  const heading = document.querySelector(".bd-article h1");
  if (heading && script.dataset.liveCannot) {
    const note = `This page does not run in a browser: ${script.dataset.liveCannot}`;
    heading.after(element("p", { className: "live-panel live-status", textContent: note }));
  } else if (heading) {
    heading.after(new Page().panel);
  }
}
