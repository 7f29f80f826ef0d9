// The values of a figure's parameters: those asked for, and those shown.
import { legal } from "./controls.js";

const parameterOf = (parameters, key) => parameters.find((p) => p.key === key);

export function makeValues(parameters, first) {
  let wanted = first;
  return {
    change: (values) => { wanted = released({ ...wanted, ...values }, parameters); },
    shown: () => limited(wanted, parameters),
  };
}

// What was chosen no longer belongs where another control has moved on.
function released(values, parameters) {
  const kept = { ...values };
  for (const p of parameters.filter((each) => each.presets)) {
    const set = Object.entries(p.presets[values[p.key]] ?? {});
    if (set.some(([key, value]) => values[key] !== value)) kept[p.key] = p.choices[0];
  }
  return kept;
}

function limited(values, parameters) {
  const shown = { ...values };
  for (const p of parameters.filter((each) => each.at_most)) shown[p.key] = Math.min(shown[p.key], shown[p.at_most]);
  return shown;
}

// What a control asks for: its own value, and those that this choice sets besides.
export const withPreset = (parameters, key, value) => ({ [key]: value, ...parameterOf(parameters, key).presets?.[value] });

export const legalValues = (parameters, values) =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [key, legal(parameterOf(parameters, key), value)]));

// The words for the values of the drop-down lists, under "key_name".
export function namesOf(parameters, values) {
  const chosen = parameters.filter((p) => p.scale === "choice");
  return Object.fromEntries(chosen.map((p) => [`${p.key}_name`, p.names[p.choices.indexOf(values[p.key])]]));
}
