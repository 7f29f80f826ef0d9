// The button that draws fresh data, with a kernel only.
import { node } from "./controls.js";

// Simulate / cancel: only with a kernel. The kernel answers through the traits "simulated" and "simulation".
export function makeSimulation(model, spec, button, values) {
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
