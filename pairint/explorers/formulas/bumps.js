// Odd sums of bumps on cells of [0, bound], for a score of uniform law on [-bound, bound], as BumpFamily of
// pairint.theory.bumps. profile holds the Hölder constant and the squared norm of one bump, of index beta.

export function bumpFamily({ beta, holder, count, bound, profile }) {
  const width = bound / count;
  const amplitude = (holder / profile.holder) * width ** beta;
  const half = (u, word) => {
    const position = u / width;
    const cell = Math.min(Math.max(Math.floor(position), 0), count - 1);
    const t = 2 * (position - cell - 0.5);
    return Math.abs(t) <= 1 ? word[cell] * amplitude * (1 - t * t) ** Math.ceil(beta) : 0;
  };
  return {
    amplitude,
    energy: (amplitude ** 2 * width * profile.squared_norm) / bound, // squared L2(rho) norm of one odd bump
    activation: (word) => (u) => half(u, word) - half(-u, word),
  };
}
