// Something that is moved by mouse, finger or arrow keys.

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// onMove receives how far to go, in pixels; onPress a click, a tap or Enter without movement. start and end frame a
// movement by pointer.
export function makeDraggable(element, { step, onStart = () => {}, onMove, onPress }) {
  let last = null;
  let moved = 0;
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    element.setPointerCapture(event.pointerId);
    last = [event.clientX, event.clientY];
    moved = 0;
    onStart();
  });
  element.addEventListener("pointermove", (event) => {
    if (!last) return;
    const [dx, dy] = [event.clientX - last[0], event.clientY - last[1]];
    moved += Math.hypot(dx, dy);
    last = [event.clientX, event.clientY];
    if (moved > 3) onMove(dx, dy);
  });
  const stop = () => { last = null; };
  element.addEventListener("pointerup", stop);
  element.addEventListener("pointercancel", stop);
  element.addEventListener("click", () => {
    if (moved <= 3) onPress();
    moved = 0;
  });
  element.addEventListener("keydown", (event) => {
    const arrow = ARROWS[event.key];
    if (!arrow) return;
    event.preventDefault();
    onStart();
    const size = step * (event.shiftKey ? 4 : 1);
    onMove(size * arrow[0], size * arrow[1]);
  });
}
