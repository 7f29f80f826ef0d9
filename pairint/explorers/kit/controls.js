// Sliders and lists, and the values they can stand for.
import { short } from "./numbers.js";
import { bind } from "./panel.js";

export function node(tag, properties = {}, ...children) {
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

export function legal(p, value) {
  if (p.scale === "choice" || p.choices?.includes(value)) return p.choices.includes(value) ? value : p.value;
  const number = Number(value);
  if (value === "" || value === null || !Number.isFinite(number)) return p.value;
  if (p.scale === "list") return p.choices[TO_POSITION.list(number, p)];
  const inside = Math.min(p.maximum, Math.max(p.minimum, number));
  return p.integer ? Math.round(inside) : inside;
}

// By how many steps a key moves a slider; a page is a factor of two where a step is 5 %.
export const STEPS = { ArrowRight: 1, ArrowUp: 1, PageUp: 14, ArrowLeft: -1, ArrowDown: -1, PageDown: -14 };

// The value so many steps on: of 5 % on a logarithmic slider, at least to the next integer.
export function nextValue(p, value, steps) {
  if (p.scale !== "log") return legal(p, TO_VALUE.linear(value + steps * p.step, p));
  const next = TO_VALUE.log(Math.log10(value) + 0.0215 * steps, p);
  return legal(p, p.integer && next === value ? value + Math.sign(steps) : next);
}

export function makeControl(p, id, onInput) {
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
    if (p.scale !== "log" || STEPS[event.key] === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    onInput(p.key, nextValue(p, control.value, STEPS[event.key]));
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
