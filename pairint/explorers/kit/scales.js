// From values to pixels: scales, their ticks, and the range that an axis covers.
import { short, superscript } from "./numbers.js";

export function makeScale(kind, domain, range) {
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

export function linearTicks([low, high], count) {
  if (low > high) return linearTicks([high, low], count); // an axis that runs backwards
  const raw = (high - low) / Math.max(count, 1);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5, 10].find((m) => m * power >= raw * 0.999) ?? 10);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k += 1) {
    // As many decimals as the step has; of very small steps as a power of ten.
    const label = decimals > 4 || k === 0 ? short(Number((k * step).toPrecision(12))) : (k * step).toFixed(decimals);
    ticks.push({ at: k * step, label: label.replace("-", "−") });
  }
  return ticks;
}

export function logTicks([low, high], count) {
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

export function extent(axis, arrays) {
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
