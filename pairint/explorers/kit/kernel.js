// What a figure has to do with a kernel: its values go there and come back, its simulations are drawn there.
import { makeButton } from "./buttons.js";
import { node } from "./controls.js";

// A model without a kernel: what an anywidget model offers, over a plain object.
export function staticModel(state) {
  return { get: (key) => state[key], set: (key, value) => { state[key] = value; }, save_changes() {}, on() {}, off() {} };
}

export function tellKernel(model, values) {
  model.set("values", values);
  model.save_changes();
}

// Returns the function that ends it.
export function followKernel(model, change, schedule) {
  const onValues = () => change(model.get("values"));
  model.on("change:values", onValues);
  model.on("change:simulated", schedule);
  return () => {
    model.off("change:values", onValues);
    model.off("change:simulated", schedule);
  };
}

// Simulated points belong to the values they were drawn at, but for the parameters declared free.
export function simulatedAt(model, spec, values) {
  const at = Object.entries(model.get("simulated_at") ?? {});
  const same = at.every(([key, value]) => spec.simulation.free.includes(key) || values[key] === value);
  return same ? model.get("simulated") ?? {} : {};
}

// Simulate / cancel. The kernel answers through the traits "simulated" and "simulation".
export function makeSimulation(model, spec, values) {
  const start = makeButton(spec.simulation.label, spec.simulation.title, () => model.send({ type: "simulate", values: values() }));
  const cancel = makeButton("Cancel", "Stop the simulation", () => model.send({ type: "cancel" }));
  const clear = makeButton("Clear points", "Remove the simulated points", () => model.send({ type: "clear" }));
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
