// Message passing line by line: a recorded run, shown as far as the lines carried out have taken it.

export function compute(p, data) {
  const { lines, theory } = data;
  const run = data.runs[p.onsager];
  const scored = Math.floor((p.done + 3) / lines); // how often lines 1 and 3 were reached
  const cleaned = Math.floor((p.done + 1) / lines);
  const iteration = Math.max(1, Math.ceil(p.done / lines));
  const steps = theory.error.map((_, t) => t);
  const [errors, claimed] = [run.error, run.claimed].map((values) => values.slice(0, cleaned + 1));
  return {
    series: {
      "errors.theory": { x: steps, y: theory.error },
      "errors.errors": { x: steps.slice(0, cleaned + 1), y: errors },
      "errors.claimed": { x: steps.slice(0, cleaned + 1), y: claimed },
    },
    facts: {
      iteration,
      error: errors[cleaned],
      claimed: claimed[cleaned],
      predicted: theory.error[cleaned],
      expected: theory.delta[iteration - 1],
      delta: scored ? run.delta[scored - 1] : "?",
      echo: data.echo[p.onsager],
      line: p.done ? ((p.done - 1) % lines) + 1 : 0,
    },
  };
}
