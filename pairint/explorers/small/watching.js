// When to watch: tokens on a circle gather; prices of snapshots come from the table that watching.py computes.

function slope(angle, beta) {
  return angle.map((a) => angle.reduce((sum, b) => sum + Math.exp(beta * (Math.cos(b - a) - 1)) * Math.sin(b - a), 0)
    / (angle.length - 1));
}

// The method of Runge and Kutta of order four, step by step as in watching.py.
function anglesAt(time, beta, { start, step }) {
  let angle = start;
  for (let k = Math.round(time / step); k > 0; k -= 1) {
    const moved = (by, along) => angle.map((a, i) => a + by * along[i]);
    const a = slope(angle, beta);
    const b = slope(moved(step / 2, a), beta);
    const c = slope(moved(step / 2, b), beta);
    const d = slope(moved(step, c), beta);
    angle = angle.map((x, i) => x + (step / 6) * (a[i] + 2 * b[i] + 2 * c[i] + d[i]));
  }
  return angle;
}

const place = (angle) => ({ x: angle.map(Math.cos), y: angle.map(Math.sin) });

export function compute(p, data) {
  const { times, prices } = data;
  const table = prices[p.focus];
  // A link may ask for a time between those of the table.
  const here = times.reduce((best, t, k) => (Math.abs(t - p.time) < Math.abs(times[best] - p.time) ? k : best), 0);
  const price = table[here];
  const best = table.indexOf(Math.min(...table));
  return {
    series: {
      "circle.ring": place(Array.from({ length: 91 }, (_, k) => (2 * Math.PI * k) / 90)),
      "circle.start": place(data.start),
      "circle.tokens": place(anglesAt(p.time, data.focus[p.focus], data)),
      "price.wide": { x: times, y: prices.wide },
      "price.narrow": { x: times, y: prices.narrow },
      "price.here": { x: [p.time], y: [price] },
    },
    facts: { now: String(p.time), price, words: price < data.most ? price : "more than 10⁸", best: String(times[best]), least: table[best] },
  };
}
