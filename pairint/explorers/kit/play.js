// The buttons that move one slider by themselves, step by step, for a figure that tells a story in time.
import { makeButton } from "./buttons.js";
import { node } from "./controls.js";

const PAUSE = 800; // milliseconds from step to step

const stepped = (p, value) => {
  if (p.choices?.length) return p.choices[Math.min(p.choices.indexOf(value) + 1, p.choices.length - 1)];
  return Math.min(p.maximum, value + (p.step ?? 1));
};
const firstOf = (p) => (p.choices?.length ? p.choices[0] : p.minimum);
const lastOf = (p) => (p.choices?.length ? p.choices[p.choices.length - 1] : p.maximum);

// From the last step both begin again. Returns the buttons and the function that ends the play.
export function makePlay(p, valueOf, change) {
  let timer = 0;
  const advance = () => change({ [p.key]: valueOf() === lastOf(p) ? firstOf(p) : stepped(p, valueOf()) });
  const stop = () => {
    clearInterval(timer);
    timer = 0;
    play.textContent = "Play";
  };
  const tick = () => {
    if (valueOf() === lastOf(p)) stop();
    else advance();
  };
  const play = makeButton("Play", "Show the steps one after the other", () => {
    if (timer) return stop();
    advance();
    timer = setInterval(tick, PAUSE);
    play.textContent = "Pause";
    return undefined;
  });
  const step = makeButton("Step", "Show the next step", () => {
    stop();
    advance();
  });
  return { root: node("div", { className: "play" }, play, step), stop };
}
