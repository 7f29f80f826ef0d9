// Errors of tied and untied layers against samples, from the errors that aim_untied.py computes.

export function compute(p, data) {
  const { ratio, length } = data.axes;
  const k = ratio.indexOf(p.ratio);
  const numbers = data.numbers[k];
  const equations = { tied: (t) => t ** 2 + t - 2, untied: (t) => t ** 2 - t };
  const end = (name) => numbers / equations[name](p.length);
  const series = {};
  for (const name of ["tied", "untied"]) {
    const errors = data.errors[k][name];
    const alphas = errors.map((error, i) => error / data.noises[i] / equations[name](p.length));
    series[`error.${name}`] = { x: [...alphas, end(name)], y: [...errors, 0] };
    series[`ends.${name}`] = { x: length, y: length.map((t) => numbers / equations[name](t)) };
  }
  const both = [end("tied"), end("untied")];
  series["error.ends"] = { x: both, y: [0, 0] };
  series["ends.here"] = { x: [p.length, p.length], y: both };
  return {
    series,
    facts: {
      tied_unknown: numbers / 2,
      unknown: numbers,
      tied_equations: equations.tied(p.length) / 2,
      equations: equations.untied(p.length),
      tied: both[0],
      untied: both[1],
      times: both[1] / both[0],
    },
  };
}
