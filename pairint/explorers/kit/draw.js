// A curve drawn by mouse, finger or keys: heights at equally spaced places, null where nothing was drawn.

export const clamp = (v, low, high) => Math.min(Math.max(v, low), high);

export function makeGuess(count, lower, upper) {
  const heights = new Array(count).fill(null);
  const drawn = () => heights.map((h, k) => (h === null ? -1 : k)).filter((k) => k >= 0);
  const at = (position) => { // between places drawn a straight line, beyond the first and the last a level one
    const known = drawn();
    if (!known.length) return null;
    const right = known.find((k) => k >= position);
    const left = known.findLast((k) => k <= position);
    if (right === undefined) return heights[left];
    if (left === undefined || left === right) return heights[right];
    return heights[left] + ((heights[right] - heights[left]) * (position - left)) / (right - left);
  };
  const placeOf = (u) => clamp(((u - lower) / (upper - lower)) * (count - 1), 0, count - 1);
  return {
    heights,
    empty: () => heights.every((h) => h === null),
    clear: () => heights.fill(null),
    at: (u) => at(placeOf(u)),
    atPlace: at,
    // A stroke from one point to another, all places between them; both may lie off the canvas.
    stroke: ([u0, h0], [u1, h1]) => {
      const [from, to] = [placeOf(u0), placeOf(u1)];
      const [first, last] = [Math.round(Math.min(from, to)), Math.round(Math.max(from, to))];
      for (let k = first; k <= last; k += 1) heights[k] = from === to ? h1 : h0 + (h1 - h0) * clamp((k - from) / (to - from), 0, 1);
      heights[Math.round(to)] = h1;
    },
    // One place set by keys; what was drawn closer than the reach gives way to a straight line.
    set: (place, height, reach) => {
      for (let k = Math.max(0, place - reach + 1); k < Math.min(count, place + reach); k += 1) heights[k] = null;
      heights[place] = height;
    },
  };
}

// The surface that is drawn on. toPoint maps pixels to [u, height], inside the canvas; onChange follows each change.
export function attachPen(surface, guess, { toPoint, height, stride, step, onChange }) {
  let last = null;
  const pen = { place: Math.floor((guess.heights.length - 1) / 2), keyed: false };
  const point = (event) => {
    const r = surface.getBoundingClientRect();
    return toPoint(event.clientX - r.left, event.clientY - r.top);
  };
  surface.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    surface.setPointerCapture(event.pointerId);
    last = point(event);
    pen.keyed = false;
    guess.stroke(last, last);
    onChange();
  });
  surface.addEventListener("pointermove", (event) => {
    if (!last) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const each of events.length ? events : [event]) {
      const next = point(each);
      guess.stroke(last, next);
      last = next;
    }
    onChange();
  });
  const stop = () => { last = null; };
  surface.addEventListener("pointerup", stop);
  surface.addEventListener("pointercancel", stop);
  surface.addEventListener("keydown", (event) => {
    const across = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const up = { ArrowUp: 1, ArrowDown: -1, PageUp: 5, PageDown: -5 }[event.key];
    if (across === undefined && up === undefined && event.key !== "Home" && event.key !== "End") return;
    event.preventDefault();
    pen.keyed = true;
    const end = guess.heights.length - 1;
    if (event.key === "Home" || event.key === "End") pen.place = event.key === "Home" ? 0 : end;
    else if (across) pen.place = clamp(pen.place + across * stride, 0, end);
    else guess.set(pen.place, clamp((guess.atPlace(pen.place) ?? 0) + up * step, -height, height), stride);
    onChange();
  });
  return pen;
}
