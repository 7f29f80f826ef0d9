// Roots of functions of one variable.

// Solve f(v) = target on [low, high], v > 0, by bisection in log v: f increases, or passes the target there once, upwards.
export function increasingRoot(f, target, low, high) {
  let [a, b] = [Math.log(low), Math.log(high)];
  for (let i = 0; i < 52; i += 1) {
    const middle = (a + b) / 2;
    if (f(Math.exp(middle)) < target) a = middle;
    else b = middle;
  }
  return Math.exp((a + b) / 2);
}
