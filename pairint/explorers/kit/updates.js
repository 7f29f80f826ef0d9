// One update a frame, however many changes ask for it; and how long each took.

export function makeUpdates(handle, work) {
  let frame = 0;
  let changedAt = performance.now();
  const run = () => {
    frame = 0;
    const started = performance.now();
    work();
    const now = performance.now();
    handle.timings.push({ compute_and_draw: now - started, since_input: now - changedAt });
    if (handle.timings.length > 500) handle.timings.shift();
    handle.updates = (handle.updates ?? 0) + 1;
  };
  const schedule = () => { if (!frame) frame = requestAnimationFrame(run); };
  return {
    schedule,
    changed: () => { changedAt = performance.now(); schedule(); },
    first: () => { changedAt = performance.now(); if (!frame) run(); },
  };
}
