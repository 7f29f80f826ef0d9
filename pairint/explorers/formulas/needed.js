// How many samples something needs, as pairint.theory.integers and samples_for_rank.

// The smallest integer where a test that stays true from somewhere on holds.
export function firstTrue(start, test) {
  let high = start;
  while (!test(high)) high *= 2;
  let low = Math.floor(high / 2);
  while (high - low > Math.max(1, high * 1e-14)) {
    const middle = Math.floor((low + high) / 2);
    if (test(middle)) high = middle;
    else low = middle;
  }
  return high;
}

export function samplesForRank(rd, beta) {
  const holds = (m) => (2 * beta + 1) * Math.log(rd) <= Math.log(m) - Math.log(Math.log(m));
  return holds(3) ? 2 : firstTrue(4, holds);
}
