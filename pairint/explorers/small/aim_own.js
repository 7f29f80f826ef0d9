// The hard phase of magnitudes: a recorded curve of fixed points, and two recorded integrals along it.

// The cubic through four neighbours on a uniform grid, a share t of a step beyond value i.
const cubic = (values, i, t) =>
  (-values[i - 1] * t * (t - 1) * (t - 2)) / 6 +
  (values[i] * (t + 1) * (t - 1) * (t - 2)) / 2 -
  (values[i + 1] * (t + 1) * t * (t - 2)) / 2 +
  (values[i + 2] * (t + 1) * t * (t - 1)) / 6;

// Where the interpolated values reach the target: index and share of a step.
function crossings(values, target) {
  const found = [];
  for (let i = 1; i < values.length - 2; i += 1) {
    const rising = values[i + 1] > values[i];
    if (values[i] < target === values[i + 1] < target) continue;
    let [low, high] = [0, 1];
    for (let k = 0; k < 50; k += 1) {
      const middle = (low + high) / 2;
      if (cubic(values, i, middle) < target === rising) low = middle;
      else high = middle;
    }
    found.push({ i, t: (low + high) / 2, stable: rising });
  }
  return found;
}

export function compute(p, data) {
  const { alpha } = p;
  const error = data.log_error.map(Math.exp);
  const found = crossings(data.log_alpha, Math.log(alpha)).map(({ i, t, stable }) => ({
    stable,
    place: Math.exp(cubic(data.log_error, i, t)),
    potential: cubic(data.matrix, i, t) - alpha * cubic(data.labels, i, t),
  }));
  const valleys = found.filter((point) => point.stable).slice(0, 1);
  const walls = found.filter((point) => !point.stable);
  const columns = (points) => ({ x: points.map((point) => point.place), y: points.map((point) => point.potential) });
  const exact = alpha >= data.zero;
  const stops = valleys.length ? valleys[0].place : 0;
  const bayes = exact ? 0 : stops;
  return {
    series: {
      "valley.curve": { x: error, y: data.matrix.map((value, i) => value - alpha * data.labels[i]) },
      "valley.stops": columns(valleys),
      "valley.wall": columns(walls),
      "branches.curve": { x: [...data.log_alpha.map(Math.exp), data.zero, data.most], y: [...error, 0, 0] },
      "branches.stops": { x: [alpha], y: [stops] },
      "branches.wall": { x: walls.map(() => alpha), y: walls.map((point) => point.place) },
      "branches.bayes": { x: [alpha], y: [bayes] },
    },
    facts: { stops, bayes, words: data.words[exact ? (stops > 0 ? "hard" : "easy") : "few"] },
  };
}
