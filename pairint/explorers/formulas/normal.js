// The normal distribution function, to ten digits also far in the lower tail.

export function normalCdf(z) {
  if (z > 0) return 1 - normalCdf(-z);
  if (z < -38.6) return 0; // below the smallest number
  const density = Math.exp(-0.5 * z * z) / Math.sqrt(2 * Math.PI);
  if (z < -3) {
    let fraction = -z;
    for (let k = z < -6 ? 20 : 60; k >= 1; k -= 1) fraction = -z + k / fraction;
    return density / fraction;
  }
  let [term, sum] = [z, z];
  for (let k = 3; Math.abs(term) > 1e-17; k += 2) {
    term *= (z * z) / k;
    sum += term;
  }
  return 0.5 + density * sum;
}
