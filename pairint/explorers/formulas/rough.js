// A function of one smoothness everywhere, as pairint.model.RoughActivation: cosines of octaves, with given phases.

export function roughFunction(beta, phases, bound) {
  const heights = phases.map((_, k) => 2 ** (-beta * k));
  const size = Math.hypot(...heights);
  return (u) => {
    let sum = 0;
    for (let k = 0; k < phases.length; k += 1) sum += heights[k] * Math.cos((u * 2 ** k * Math.PI) / bound + phases[k]);
    return sum / size;
  };
}
