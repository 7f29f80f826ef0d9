// The shared library of the interactive figures: controls, axes, legend, table, export, link to a view.
//
// A figure is a description made in Python (panels, marks, controls, words) and one function
// compute(values, data) -> {series, facts} in its own file. This file draws what the description says.
// Bundling strips "export" and the import lines; PLOTKIT_CSS is put in front (see bundle.py).

// ---------------------------------------------------------------------------------------------- numbers

const SUPERSCRIPTS = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

export const superscript = (n) => String(n).split("").map((c) => SUPERSCRIPTS[c] ?? c).join("");

const trimZeros = (text) => (text.includes(".") ? text.replace(/0+$/, "").replace(/\.$/, "") : text);

// Three significant digits for people: 12 300, 0.0123, 4.56×10⁻⁷. The same rules as numbers.py.
export function short(x) {
  if (typeof x === "string") return x;
  if (x === null || x === undefined || Number.isNaN(x)) return "–";
  if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
  if (x === 0) return "0";
  const size = Math.abs(x);
  const sign = x < 0 ? "−" : "";
  if (size >= 999999.5 || size < 0.000999) {
    const [mantissa, exponent] = size.toExponential(2).split("e");
    const digits = trimZeros(mantissa);
    return `${sign}${digits === "1" ? "" : `${digits}×`}10${superscript(Number(exponent))}`;
  }
  if (Number.isInteger(x) || size >= 999.5) {
    const whole = String(Math.round(size));
    return sign + (whole.length > 4 ? whole.replace(/\B(?=(\d{3})+$)/g, "\u202f") : whole);
  }
  return sign + trimZeros(size.toPrecision(3));
}

// "{name}" in a sentence is replaced by the fact of that name.
export const fill = (template, facts) =>
  template.replace(/\{(\w+)\}/g, (all, name) => (name in facts ? short(facts[name]) : all));

export const linspace = (a, b, n) => Array.from({ length: n }, (_, i) => a + ((b - a) * i) / (n - 1));

export const logspace = (a, b, n) => linspace(Math.log10(a), Math.log10(b), n).map((e) => 10 ** e);

// ----------------------------------------------------------------------------------------------- colours

// Okabe and Ito's palette by role; on a dark ground each role takes the member that stands out there. Their
// orange is darkened on white, where it has too little contrast for a line; "rim" is the outline of an area.
const PALETTES = {
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

function watchScheme(callback) {
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

// ------------------------------------------------------------------------------------------ scales, ticks

function makeScale(kind, domain, range) {
  const map = kind === "log" ? Math.log10 : (v) => v;
  const [a, b] = domain.map(map);
  const slope = (range[1] - range[0]) / (b - a || 1);
  const scale = (v) => range[0] + (map(v) - a) * slope;
  scale.invert = (p) => {
    const v = a + (p - range[0]) / slope;
    return kind === "log" ? 10 ** v : v;
  };
  return scale;
}

function linearTicks([low, high], count) {
  const raw = (high - low) / Math.max(count, 1);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5, 10].find((m) => m * power >= raw * 0.999) ?? 10);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k += 1) {
    const label = (k * step).toFixed(decimals);
    ticks.push({ at: k * step, label: (Number(label) === 0 ? (0).toFixed(decimals) : label).replace("-", "−") });
  }
  return ticks;
}

function logTicks([low, high], count) {
  const first = Math.ceil(Math.log10(low) - 1e-9);
  const last = Math.floor(Math.log10(high) + 1e-9);
  const ticks = [];
  if (last - first >= 2) {
    const every = Math.max(1, Math.ceil((last - first) / Math.max(count, 1)));
    for (let e = first; e <= last; e += 1) {
      ticks.push({ at: 10 ** e, label: (e - first) % every === 0 ? `10${superscript(e)}` : "" });
    }
    return ticks;
  }
  for (let e = Math.floor(Math.log10(low)); e <= last; e += 1) {
    for (const m of [1, 2, 5]) {
      const at = m * 10 ** e;
      if (at >= low * 0.999 && at <= high * 1.001) ticks.push({ at, label: short(Number(at.toPrecision(3))) });
    }
  }
  return ticks;
}

function extent(axis, arrays) {
  if (axis.range) return axis.range;
  let low = Infinity;
  let high = -Infinity;
  for (const array of arrays) {
    for (const v of array) {
      if (Number.isFinite(v) && (axis.scale !== "log" || v > 0)) {
        low = Math.min(low, v);
        high = Math.max(high, v);
      }
    }
  }
  if (low > high) return axis.scale === "log" ? [0.1, 1] : [0, 1];
  if (axis.scale === "log") {
    low = Math.max(low, high * 1e-10); // ten decades at most
    const pad = Math.max(1.25, (high / low) ** 0.04);
    return [low / pad, high * pad];
  }
  if (axis.zero) [low, high] = [Math.min(0, low), Math.max(0, high)];
  const pad = 0.05 * (high - low || 1);
  return [axis.zero && low === 0 ? 0 : low - pad, high + pad];
}

// ---------------------------------------------------------------------------------------- drawing a panel

const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif";
const DASHES = { solid: "", dash: "8 5", dot: "2 4", dashdot: "9 4 2 4" };

const escapeText = (text) =>
  String(text).replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);

const ruler = { context: null, known: new Map() };

function textWidth(text, size, weight = 400) {
  const key = `${weight} ${size} ${text}`;
  if (!ruler.known.has(key)) {
    ruler.context ??= document.createElement("canvas").getContext("2d");
    ruler.context.font = `${weight} ${size}px ${FONT}`;
    if (ruler.known.size > 2000) ruler.known.clear();
    ruler.known.set(key, ruler.context.measureText(text).width);
  }
  return ruler.known.get(key);
}

// "M = 10" stays on one line.
const bind = (text) => text.replaceAll(" = ", "\u00a0=\u00a0");

function wrap(text, size, width, weight) {
  const lines = [];
  for (const word of bind(text).split(" ")) {
    const longer = lines.length ? `${lines[lines.length - 1]} ${word}` : word;
    if (lines.length && textWidth(longer, size, weight) <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

const round = (v) => Math.round(v * 100) / 100;

function pathOf(xs, ys, sx, sy) {
  let path = "";
  let pen = "M";
  for (let i = 0; i < xs.length; i += 1) {
    const px = sx(xs[i]);
    const py = sy(ys[i]);
    if (Number.isFinite(px) && Number.isFinite(py)) {
      path += `${pen}${round(px)} ${round(Math.max(-1e4, Math.min(1e4, py)))}`;
      pen = "L";
    } else pen = "M";
  }
  return path;
}

function symbolPath(symbol, x, y, r) {
  const [a, b] = [round(x), round(y)];
  if (symbol === "square") return `M${a - r} ${b - r}h${2 * r}v${2 * r}h${-2 * r}z`;
  if (symbol === "diamond") return `M${a} ${b - 1.4 * r}l${1.4 * r} ${1.4 * r}l${-1.4 * r} ${1.4 * r}l${-1.4 * r} ${-1.4 * r}z`;
  if (symbol === "triangle") return `M${a} ${b - 1.3 * r}l${1.2 * r} ${2.2 * r}h${-2.4 * r}z`;
  if (symbol === "cross") return `M${a - r} ${b - r}l${2 * r} ${2 * r}M${a - r} ${b + r}l${2 * r} ${-2 * r}`;
  return `M${a - r} ${b}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`;
}

function drawMark(mark, data, sx, sy, box, colors) {
  const color = colors[mark.color];
  const stroke = `stroke="${color}" stroke-width="${mark.width}" stroke-dasharray="${DASHES[mark.dash]}"`;
  if (mark.kind === "rule") {
    const p = round(mark.axis === "x" ? sx(data.at) : sy(data.at));
    if (!Number.isFinite(p)) return "";
    const d = mark.axis === "x" ? `M${p} ${box.top}V${box.bottom}` : `M${box.left} ${p}H${box.right}`;
    return `<path d="${d}" fill="none" ${stroke}/>`;
  }
  if (mark.kind === "line") {
    return `<path d="${pathOf(data.x, data.y, sx, sy)}" fill="none" ${stroke} stroke-linejoin="round"/>`;
  }
  if (mark.kind === "area") {
    const n = data.x.length;
    const floor = data.low ?? new Array(n).fill(0);
    const back = [...data.x].reverse();
    const path = pathOf([...data.x, ...back], [...data.y, ...[...floor].reverse()], sx, (v) => {
      const p = sy(v); // on a log axis the floor 0 is the bottom of the box
      return Number.isFinite(p) ? p : box.bottom;
    });
    const rim = pathOf(data.x, data.y, sx, sy);
    return `<path d="${path}Z" fill="${color}" fill-opacity="${mark.opacity}" stroke="none"/><path d="${rim}" fill="none" stroke="${colors.rim}" stroke-width="1.3"/>`;
  }
  let [symbols, bars] = ["", ""]; // points, with error bars where given: one path each, whatever their number
  for (let i = 0; i < data.x.length; i += 1) {
    const [px, py] = [sx(data.x[i]), sy(data.y[i])];
    if (!Number.isFinite(px) || !Number.isFinite(py)) continue;
    symbols += symbolPath(mark.symbol, px, py, mark.width);
    if (data.low) {
      const low = sy(data.low[i]);
      bars += `M${round(px)} ${round(sy(data.high[i]))}V${round(Number.isFinite(low) ? low : box.bottom)}`;
    }
  }
  const filled = mark.symbol === "cross" ? "none" : color;
  return `${bars && `<path d="${bars}" stroke="${color}" stroke-width="1.5"/>`}<path d="${symbols}" fill="${filled}" fill-opacity="${mark.opacity}" stroke="${color}" stroke-width="1.2"/>`;
}

function drawKey(mark, x, y, colors) {
  const color = colors[mark.color];
  if (mark.kind === "points") {
    const filled = mark.symbol === "cross" ? "none" : color;
    return `<path d="${symbolPath(mark.symbol, x + 11, y, Math.min(mark.width, 4.5))}" fill="${filled}" stroke="${color}" stroke-width="1.2"/>`;
  }
  if (mark.kind === "area") {
    return `<rect x="${x}" y="${y - 6}" width="22" height="12" fill="${color}" fill-opacity="${mark.opacity}"/><path d="M${x} ${y - 6}h22" stroke="${colors.rim}" stroke-width="1.3"/>`;
  }
  return `<path d="M${x} ${y}h24" fill="none" stroke="${color}" stroke-width="${mark.width}" stroke-dasharray="${DASHES[mark.dash]}"/>`;
}

const present = (data) => data && (data.at !== undefined ? Number.isFinite(data.at) : data.x.length > 0);

// Draw one panel at a given width. Returns the SVG markup and what the pointer needs to read it.
export function drawPanel(panel, series, facts, width, colors, id) {
  const shown = panel.marks.filter((mark) => present(series[`${panel.key}.${mark.key}`]));
  const dataOf = (mark) => series[`${panel.key}.${mark.key}`];
  const xs = [];
  const ys = [];
  for (const mark of shown) {
    const data = dataOf(mark);
    if (mark.kind === "rule") (mark.axis === "x" ? xs : ys).push([data.at]);
    else {
      xs.push(data.x);
      ys.push(data.y);
      if (mark.kind === "points" && data.low) ys.push(data.low, data.high);
      if (mark.kind === "area" && data.low) ys.push(data.low);
    }
  }
  const xDomain = extent(panel.x, xs);
  const yDomain = extent(panel.y, ys);
  const plotHeight = Math.round(Math.min(panel.height, Math.max(0.72 * panel.height, 0.62 * width)));
  const yTicks = (panel.y.scale === "log" ? logTicks : linearTicks)(yDomain, Math.max(3, plotHeight / 48));
  const tickWidth = Math.max(...yTicks.map((t) => textWidth(t.label, 12)), 10);
  const titleLines = wrap(fill(panel.title, facts), 14, width - 16, 600);
  const box = { left: Math.round(tickWidth + 34), right: width - 14, top: 14 + 18 * titleLines.length };
  box.bottom = box.top + plotHeight;
  const sx = makeScale(panel.x.scale, xDomain, [box.left, box.right]);
  const sy = makeScale(panel.y.scale, yDomain, [box.bottom, box.top]);
  const xTicks = (panel.x.scale === "log" ? logTicks : linearTicks)(xDomain, Math.max(4, (box.right - box.left) / 64));

  let svg = titleLines
    .map((line, i) => `<text x="8" y="${17 + 18 * i}" font-size="14" font-weight="600" fill="${colors.ink}">${escapeText(line)}</text>`)
    .join("");
  for (const tick of xTicks) {
    const p = round(sx(tick.at));
    svg += `<path d="M${p} ${box.top}V${box.bottom + 4}" stroke="${colors.grid}"/>`;
    svg += `<text x="${p}" y="${box.bottom + 18}" font-size="12" text-anchor="middle" fill="${colors.muted}">${tick.label}</text>`;
  }
  for (const tick of yTicks) {
    const p = round(sy(tick.at));
    svg += `<path d="M${box.left - 4} ${p}H${box.right}" stroke="${colors.grid}"/>`;
    svg += `<text x="${box.left - 8}" y="${p + 4}" font-size="12" text-anchor="end" fill="${colors.muted}">${tick.label}</text>`;
  }
  svg += `<clipPath id="${id}"><rect x="${box.left}" y="${box.top - 1}" width="${box.right - box.left}" height="${plotHeight + 2}"/></clipPath>`;
  svg += `<g clip-path="url(#${id})">`;
  for (const mark of shown) svg += drawMark(mark, dataOf(mark), sx, sy, box, colors);
  svg += `</g><path d="M${box.left} ${box.top}V${box.bottom}H${box.right}" fill="none" stroke="${colors.frame}"/>`;
  const middle = (box.left + box.right) / 2;
  svg += `<text x="${round(middle)}" y="${box.bottom + 38}" font-size="13" text-anchor="middle" fill="${colors.ink}">${escapeText(fill(panel.x.label, facts))}</text>`;
  const center = round((box.top + box.bottom) / 2);
  svg += `<text transform="translate(14 ${center}) rotate(-90)" font-size="13" text-anchor="middle" fill="${colors.ink}">${escapeText(fill(panel.y.label, facts))}</text>`;

  let [kx, ky] = [8, box.bottom + 60];
  for (const mark of shown) {
    if (!mark.label) continue;
    const label = fill(mark.label, facts);
    const needed = 32 + textWidth(label, 12.5) + 16;
    if (kx > 8 && kx + needed > width) [kx, ky] = [8, ky + 20];
    svg += drawKey(mark, kx, ky, colors);
    svg += `<text x="${kx + 31}" y="${ky + 4}" font-size="12.5" fill="${colors.ink}">${escapeText(label)}</text>`;
    kx += needed;
  }
  const height = ky + 14;
  const open = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="${FONT}"`;
  return { open, body: svg, width, height, box, sx, sy, shown, xDomain, yDomain };
}

// ---------------------------------------------------------------------------------------------- controls

function node(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (key in element && key !== "list") element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

const significant = (x, digits) => Number(x.toPrecision(digits));

// Between the position of a slider and the value it stands for.
const TO_VALUE = {
  linear: (position, p) => significant(p.minimum + Math.round((position - p.minimum) / p.step) * p.step, 12),
  log: (position, p) => {
    const value = significant(10 ** position, 3);
    return Math.min(p.maximum, Math.max(p.minimum, p.integer ? Math.round(value) : value));
  },
  list: (position, p) => p.choices[Math.round(position)],
};

const TO_POSITION = {
  linear: (value) => value,
  log: (value) => Math.log10(value),
  list: (value, p) => {
    if (p.choices.includes(value)) return p.choices.indexOf(value);
    return p.choices.reduce((best, c, i) => (Math.abs(c - value) < Math.abs(p.choices[best] - value) ? i : best), 0);
  },
};

function legal(p, value) {
  if (p.scale === "choice" || p.choices?.includes(value)) return p.choices.includes(value) ? value : p.value;
  const number = Number(value);
  if (value === "" || value === null || !Number.isFinite(number)) return p.value;
  if (p.scale === "list") return p.choices[TO_POSITION.list(number, p)];
  const inside = Math.min(p.maximum, Math.max(p.minimum, number));
  return p.integer ? Math.round(inside) : inside;
}

function makeControl(p, id, onInput) {
  const label = node("label", { htmlFor: id, textContent: bind(p.label) });
  if (p.scale === "choice") {
    const options = p.choices.map((c, i) => node("option", { value: c, textContent: p.names[i] }));
    const select = node("select", { id, "data-lm-suppress-shortcuts": "true" }, ...options);
    select.addEventListener("input", () => onInput(p.key, select.value));
    return {
      root: node("div", { className: "control choice" }, label, select),
      show: (value) => {
        select.value = value;
      },
    };
  }
  const range = { linear: [p.minimum, p.maximum, p.step], log: [Math.log10(p.minimum), Math.log10(p.maximum), 0.01], list: [0, (p.choices?.length ?? 1) - 1, 1] }[p.scale];
  const slider = node("input", { type: "range", id, min: range[0], max: range[1], step: range[2] === 0.01 ? "any" : range[2], "data-lm-suppress-shortcuts": "true", "data-key": p.key });
  const output = node("output", { htmlFor: id });
  slider.addEventListener("input", () => onInput(p.key, TO_VALUE[p.scale](Number(slider.value), p)));
  slider.addEventListener("keydown", (event) => {
    // Arrow keys move a logarithmic slider by 5 %, at least to the next value; a page by a factor of two.
    const direction = { ArrowRight: 1, ArrowUp: 1, PageUp: 14, ArrowLeft: -1, ArrowDown: -1, PageDown: -14 }[event.key];
    if (p.scale !== "log" || direction === undefined) return;
    event.preventDefault();
    const here = control.value;
    let next = TO_VALUE.log(Math.log10(here) + 0.0215 * direction, p);
    if (p.integer && next === here) next = here + Math.sign(direction);
    onInput(p.key, legal(p, next));
  });
  const control = {
    value: p.value,
    root: node("div", { className: "control" }, label, output, slider),
    show: (value) => {
      control.value = value;
      slider.value = TO_POSITION[p.scale](value, p);
      const text = short(value) + (p.unit ? ` ${p.unit}` : "");
      slider.setAttribute("aria-valuetext", text);
      output.textContent = text;
    },
  };
  return control;
}

// ------------------------------------------------------------------------------------------------- table

function makeTables(spec, state) {
  const tables = [];
  for (const panel of spec.panels) {
    for (const group of groupByX(panel, state.series)) {
      const rows = thin(group.x.length, 13);
      const head = node("tr", {}, node("th", { scope: "col", textContent: fill(panel.x.label, state.facts) }));
      for (const { mark } of group.marks) head.append(node("th", { scope: "col", textContent: fill(mark.label || mark.key, state.facts) }));
      const body = node("tbody");
      for (const i of rows) {
        const row = node("tr", {}, node("th", { scope: "row", textContent: short(group.x[i]) }));
        for (const { data } of group.marks) {
          const bar = data.high ? ` (${short(data.low[i])} to ${short(data.high[i])})` : "";
          row.append(node("td", { textContent: short(data.y[i]) + bar }));
        }
        body.append(row);
      }
      const caption = `${fill(panel.title, state.facts)} (${fill(panel.y.label, state.facts)})`;
      tables.push(node("table", {}, node("caption", { textContent: caption }), node("thead", {}, head), body));
    }
    const rules = panel.marks.filter((m) => m.kind === "rule" && present(state.series[`${panel.key}.${m.key}`]));
    for (const mark of rules) {
      tables.push(node("p", { textContent: `${fill(mark.label, state.facts)}: ${short(state.series[`${panel.key}.${mark.key}`].at)}` }));
    }
  }
  return tables;
}

function groupByX(panel, series) {
  const groups = [];
  for (const mark of panel.marks) {
    const data = series[`${panel.key}.${mark.key}`];
    if (mark.kind === "rule" || !present(data)) continue;
    const same = groups.find((g) => g.x.length === data.x.length && g.x.every((v, i) => v === data.x[i]));
    if (same) same.marks.push({ mark, data });
    else groups.push({ x: data.x, marks: [{ mark, data }] });
  }
  return groups;
}

function thin(length, most) {
  if (length <= most) return Array.from({ length }, (_, i) => i);
  return Array.from({ length: most }, (_, i) => Math.round((i * (length - 1)) / (most - 1)));
}

// ------------------------------------------------------------------------------------------------ export

function composeSvg(spec, drawings, positions, size, colors, facts) {
  const header = [
    ...wrap(spec.title, 17, size.width - 24, 600).map((text) => ({ text, size: 17, weight: 600, color: colors.ink })),
    ...wrap(fill(spec.summary, facts), 12.5, size.width - 24, 400).map((text) => ({ text, size: 12.5, weight: 400, color: colors.muted })),
  ];
  let y = 14;
  let text = "";
  for (const line of header) {
    y += line.size + 5;
    text += `<text x="12" y="${y}" font-size="${line.size}" font-weight="${line.weight}" fill="${line.color}">${escapeText(line.text)}</text>`;
  }
  const offset = y + 14;
  const [width, height] = [Math.round(size.width), Math.round(size.height + offset + 8)];
  const bodies = drawings.map((d, i) => `<g transform="translate(${round(positions[i].x)} ${round(positions[i].y + offset)})">${d.body}</g>`);
  return {
    width,
    height,
    text: `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="${FONT}"><rect width="100%" height="100%" fill="${colors.ground}"/>${text}${bodies.join("")}</svg>`,
  };
}

function save(blob, filename) {
  const href = URL.createObjectURL(blob);
  node("a", { href, download: filename }).click();
  setTimeout(() => URL.revokeObjectURL(href), 10000);
}

async function rasterise(svg, factor = 2) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg.text)}`;
  await image.decode();
  const canvas = node("canvas", { width: svg.width * factor, height: svg.height * factor });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

// ------------------------------------------------------------------------------------------ link to a view

// The values that the address asks of this figure; null where it asks for something else, or is malformed.
function readFragment(id, parameters) {
  let name, query;
  try {
    [name, query] = decodeURI(location.hash.slice(1)).split("?");
  } catch {
    return null;
  }
  if (name !== id || !query) return null;
  const given = new URLSearchParams(query);
  const known = parameters.filter((p) => given.has(p.key));
  return Object.fromEntries(known.map((p) => [p.key, legal(p, given.get(p.key))]));
}

const writeFragment = (id, values) =>
  `#${id}?${Object.entries(values).map(([k, v]) => `${k}=${encodeURIComponent(v)}`).join("&")}`;

// ------------------------------------------------------------------------------------------------- mount

// A model without a kernel: what an anywidget model offers, over a plain object.
export function staticModel(state) {
  return { get: (key) => state[key], set: (key, value) => { state[key] = value; }, save_changes() {}, on() {}, off() {} };
}

let mounted = 0;

// Put a figure into an element: the same for a page (static model) and for a kernel (anywidget model).
export function mount({ model, el, compute }) {
  const spec = model.get("spec");
  const live = Boolean(model.get("live"));
  mounted += 1;
  const prefix = `pairint-${spec.name}-${mounted}`;
  const limits = spec.parameters.filter((p) => p.at_most);
  let wanted = { ...spec.values, ...(model.get("values") ?? {}) };
  const presets = spec.parameters.filter((p) => p.presets);
  let colors = PALETTES[currentScheme()];
  let drawings = [];
  let frame = 0;
  let changedAt = 0;
  const handle = { values: {}, series: {}, facts: {}, summary: "", timings: [], live, scheme: currentScheme() };

  el.dataset.pairintExplorer = spec.name;
  el.setAttribute("data-lm-suppress-shortcuts", "true");
  const root = el.shadowRoot ?? el.attachShadow({ mode: "open" });

  // Elements -------------------------------------------------------------------------------------------
  const controls = Object.fromEntries(spec.parameters.map((p) => [p.key, makeControl(p, `${prefix}-${p.key}`, onInput)]));
  const charts = spec.panels.map((panel) => {
    const tip = node("div", { className: "tip", hidden: true });
    const chart = node("div", { className: "chart" }, tip);
    chart.style.flex = `${panel.grow} 1 max(15rem, 36%)`; // two in a row at most
    return { panel, chart, tip };
  });
  const summary = node("p", { className: "summary", "aria-live": "polite" });
  const note = node("span", { className: "note", role: "status" });
  const tableHolder = node("div", { className: "tables" });
  const details = node("details", {}, node("summary", { textContent: "Numbers as a table" }), tableHolder);
  const button = (text, title, action) => {
    const b = node("button", { type: "button", textContent: text, title, "data-lm-suppress-shortcuts": "true" });
    b.addEventListener("click", action);
    return b;
  };
  const buttons = node(
    "div",
    { className: "buttons" },
    button("Reset", "Back to the first view", () => change(spec.values)),
    live
      ? button("Copy as Python", "Copy the Python expression for this view", () => copy(pythonOf(spec, handle.values), "Python expression copied"))
      : button("Link to this view", "Put this view in the address and copy the link", () => {
          const fragment = writeFragment(el.id, handle.values);
          history.replaceState(null, "", fragment);
          copy(location.href, "Link copied; it is also in the address bar");
        }),
    button("SVG", "Save the figure as an SVG file", () => {
      save(new Blob([exported().text], { type: "image/svg+xml" }), `${spec.name}.svg`);
    }),
    button("PNG", "Save the figure as a PNG file", async () => save(await rasterise(exported()), `${spec.name}.png`)),
  );
  const simulation = live && spec.simulation ? makeSimulation(model, spec, button, () => handle.values) : null;
  const app = node(
    "div",
    { className: "app", role: "group" },
    node("div", { className: "title", id: `${prefix}-title`, textContent: spec.title }),
    node("div", { className: "controls" }, ...spec.parameters.map((p) => controls[p.key].root)),
    node("div", { className: "charts" }, ...charts.map((c) => c.chart)),
    summary,
    ...(simulation ? [simulation.root] : []),
    buttons,
    note,
    details,
  );
  app.setAttribute("aria-labelledby", `${prefix}-title`);
  root.replaceChildren(node("style", { textContent: PLOTKIT_CSS }), app, node("slot", { name: "picture" }));

  // Behaviour ------------------------------------------------------------------------------------------
  function onInput(key, value) {
    const parameter = spec.parameters.find((p) => p.key === key);
    change({ [key]: value, ...parameter.presets?.[value] });
  }

  function change(values, tell = true) {
    wanted = { ...wanted, ...values };
    for (const p of presets) { // what was chosen no longer belongs where another control has moved on
      const set = Object.entries(p.presets[wanted[p.key]] ?? {});
      if (set.some(([key, value]) => wanted[key] !== value)) wanted[p.key] = p.choices[0];
    }
    changedAt = performance.now();
    schedule();
    if (tell && live) {
      model.set("values", effective());
      model.save_changes();
    }
  }

  function effective() {
    const values = { ...wanted };
    for (const p of limits) values[p.key] = Math.min(values[p.key], values[p.at_most]);
    return values;
  }

  function schedule() {
    if (!frame) frame = requestAnimationFrame(update);
  }

  function update() {
    frame = 0;
    const started = performance.now();
    const values = effective();
    for (const p of spec.parameters) controls[p.key].show(values[p.key]);
    const state = compute(values, spec.data);
    const simulated = live && sameSetting(spec, model.get("simulated_at"), values) ? model.get("simulated") ?? {} : {};
    handle.values = values;
    handle.series = { ...state.series, ...simulated };
    handle.facts = { ...values, ...namesOf(spec, values), ...state.facts };
    handle.summary = fill(spec.summary, handle.facts);
    el.pairintSeries = handle.series;
    draw();
    handle.timings.push({ compute_and_draw: performance.now() - started, since_input: performance.now() - changedAt });
    if (handle.timings.length > 500) handle.timings.shift();
    handle.updates = (handle.updates ?? 0) + 1;
    settle();
  }

  // Widths are read when the figure's own width changes, not at each drawing: to read one after a change makes
  // the browser lay out the whole page, once for each panel.
  let widths = [];
  function measure() {
    widths = charts.map(({ chart }) => Math.max(250, Math.floor(chart.clientWidth || 320)));
  }

  function draw() {
    if (!widths.length) measure();
    drawings = charts.map(({ panel, chart, tip }, i) => {
      const d = drawPanel(panel, handle.series, handle.facts, widths[i], colors, `${prefix}-clip-${i}`);
      const markup = `${d.open} role="img">${d.body}</svg>`;
      if (markup !== chart.markup) { // most controls leave some panel as it is
        chart.querySelector("svg")?.remove();
        chart.insertAdjacentHTML("afterbegin", markup);
        chart.markup = markup;
      }
      chart.firstChild.setAttribute("aria-label", `${fill(panel.title, handle.facts)}. ${handle.summary}`);
      tip.hidden = true;
      return d;
    });
  }

  // The sentence and the table follow once the hand rests: a screen reader hears one sentence, not fifty.
  let settling = 0;
  function settle() {
    clearTimeout(settling);
    settling = setTimeout(() => {
      const words = bind(handle.summary);
      if (summary.textContent !== words) summary.textContent = words;
      if (details.open) tableHolder.replaceChildren(...makeTables(spec, handle));
    }, summary.textContent ? 120 : 0);
  }
  details.addEventListener("toggle", settle);

  function exported() {
    const base = charts[0].chart.parentElement.getBoundingClientRect();
    const rectangles = charts.map((c) => c.chart.getBoundingClientRect());
    const positions = rectangles.map((r) => ({ x: r.left - base.left, y: r.top - base.top }));
    return composeSvg(spec, drawings, positions, { width: base.width, height: base.height }, colors, handle.facts);
  }
  handle.exported = exported;

  async function copy(text, message) {
    try {
      await navigator.clipboard.writeText(text);
      note.textContent = message;
    } catch {
      note.textContent = live ? text : "The link is in the address bar";
    }
    setTimeout(() => { note.textContent = ""; }, live ? 15000 : 4000);
  }

  charts.forEach(({ panel, chart, tip }, i) => attachReader(panel, chart, tip, () => ({ drawing: drawings[i], handle, colors })));

  const applyScheme = () => {
    handle.scheme = currentScheme();
    colors = PALETTES[handle.scheme];
    app.dataset.scheme = handle.scheme;
    if (drawings.length) draw();
  };
  applyScheme();
  const unwatch = watchScheme(applyScheme);

  let lastWidth = 0;
  const resize = new ResizeObserver(() => {
    if (Math.abs(app.clientWidth - lastWidth) < 1) return;
    lastWidth = app.clientWidth;
    measure();
    if (drawings.length) draw();
  });
  resize.observe(app);

  const followLink = () => {
    const linked = live ? null : readFragment(el.id, spec.parameters);
    if (!linked) return;
    change({ ...spec.values, ...linked });
    el.scrollIntoView();
  };
  window.addEventListener("hashchange", followLink);

  const onValues = () => change(model.get("values"), false);
  model.on("change:values", onValues);
  model.on("change:simulated", schedule);

  el.pairint = Object.assign(handle, { set: (values) => change(Object.fromEntries(Object.entries(values).map(([k, v]) => [k, legal(spec.parameters.find((p) => p.key === k), v)]))) });
  followLink();
  changedAt = performance.now();
  if (!frame) update();

  return () => {
    unwatch();
    resize.disconnect();
    simulation?.stop();
    window.removeEventListener("hashchange", followLink);
    model.off("change:values", onValues);
    model.off("change:simulated", schedule);
  };
}

// Simulated points belong to the values they were drawn at, but for the parameters declared free.
const sameSetting = (spec, at, values) =>
  Object.entries(at ?? {}).every(([key, value]) => spec.simulation.free.includes(key) || values[key] === value);

const pythonOf = (spec, values) =>
  `${spec.class_name}(${Object.entries(values).map(([k, v]) => `${k}=${JSON.stringify(v)}`).join(", ")})`;

function namesOf(spec, values) {
  const chosen = spec.parameters.filter((p) => p.scale === "choice");
  return Object.fromEntries(chosen.map((p) => [`${p.key}_name`, p.names[p.choices.indexOf(values[p.key])]]));
}

// Values under the pointer, or the finger: the nearest abscissa of each curve. A lifted finger leaves the chart,
// but what it asked for stays until the next touch or change.
function attachReader(panel, chart, tip, current) {
  const hide = () => { tip.hidden = true; };
  const read = (event) => {
    const { drawing: d, handle, colors } = current();
    if (!d) return;
    const r = chart.getBoundingClientRect();
    const [px, py] = [event.clientX - r.left, event.clientY - r.top];
    if (px < d.box.left || px > d.box.right || py < d.box.top || py > d.box.bottom) return hide();
    const rows = [];
    let at = d.sx.invert(px);
    for (const mark of d.shown) {
      if (mark.kind === "rule" || mark.kind === "area" || !mark.label) continue;
      const data = handle.series[`${panel.key}.${mark.key}`];
      const i = data.x.reduce((best, v, k) => (Math.abs(d.sx(v) - px) < Math.abs(d.sx(data.x[best]) - px) ? k : best), 0);
      if (Math.abs(d.sx(data.x[i]) - px) > 12) continue;
      rows.push({ text: `${fill(mark.label, handle.facts)}: ${short(data.y[i])}`, color: colors[mark.color] });
      at = data.x[i];
    }
    if (!rows.length) return hide();
    tip.replaceChildren(
      node("b", { textContent: `${fill(panel.x.label, handle.facts)}: ${short(at)}` }),
      ...rows.map((row) => {
        const line = node("span", { textContent: row.text });
        line.style.borderLeftColor = row.color;
        return line;
      }),
    );
    tip.hidden = false;
    tip.style.top = `${Math.max(0, Math.min(py - 10, d.height - tip.offsetHeight))}px`;
    tip.style.left = px < d.width / 2 ? `${px + 14}px` : "auto";
    tip.style.right = px < d.width / 2 ? "auto" : `${r.width - px + 14}px`;
  };
  chart.addEventListener("pointerdown", read);
  chart.addEventListener("pointermove", read);
  chart.addEventListener("pointerleave", (event) => {
    if (event.pointerType !== "touch") hide();
  });
}

// Simulate / cancel: only with a kernel. The kernel answers through the traits "simulated" and "simulation".
function makeSimulation(model, spec, button, values) {
  const start = button(spec.simulation.label, spec.simulation.title, () => model.send({ type: "simulate", values: values() }));
  const cancel = button("Cancel", "Stop the simulation", () => model.send({ type: "cancel" }));
  const clear = button("Clear points", "Remove the simulated points", () => model.send({ type: "clear" }));
  const bar = node("progress", { max: 1, value: 0, "aria-label": "Progress of the simulation" });
  const message = node("span", { role: "status" });
  const show = () => {
    const s = model.get("simulation") ?? {};
    start.disabled = Boolean(s.running);
    cancel.hidden = !s.running;
    bar.hidden = !s.running;
    bar.value = s.total ? s.done / s.total : 0;
    message.textContent = s.message ?? "";
    clear.hidden = Boolean(s.running) || !Object.keys(model.get("simulated") ?? {}).length;
  };
  show();
  model.on("change:simulation", show);
  return { root: node("div", { className: "buttons simulation" }, start, cancel, clear, bar, message), stop: () => model.off("change:simulation", show) };
}
