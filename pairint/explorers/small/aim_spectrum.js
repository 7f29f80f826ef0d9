// The spectrum of one noisy matrix: recorded eigenvalues, and the law of pairint.aim.spectrum.
import { increasingRoot } from "../formulas/roots.js";
import { noisySpectrum } from "../formulas/spectrum.js";
import { fill, linspace, logspace } from "../kit/numbers.js";

// The outline of a histogram of whole numbers, in units of one hundredth.
function histogram(hundredths, bins) {
  const start = hundredths[0];
  const width = Math.floor((hundredths[hundredths.length - 1] - start) / bins) + 1;
  const counts = [];
  for (const value of hundredths) {
    const bin = Math.floor((value - start) / width);
    while (counts.length <= bin) counts.push(0);
    counts[bin] += 1;
  }
  const outline = { x: [start / 100], y: [0] };
  counts.forEach((count, i) => {
    const height = (100 * count) / (hundredths.length * width);
    outline.x.push((start + width * i) / 100, (start + width * (i + 1)) / 100);
    outline.y.push(height, height);
  });
  outline.x.push((start + width * counts.length) / 100);
  outline.y.push(0);
  return outline;
}

export function compute(p, data) {
  const { rho, noise } = p;
  const spectrum = noisySpectrum(rho, noise);
  const edgesOf = ({ bulks, x }) => bulks.map((bulk) => bulk.map(x));
  let sum = 0;
  const hundredths = data.gaps[rho][data.axes.noise.indexOf(noise)].map((gap) => (sum += gap));
  const drawn = hundredths.map((value) => value / 100);

  const edges = edgesOf(spectrum);
  const angles = linspace(0, Math.PI, data.grid).slice(1, -1);
  const limit = { x: [], y: [] };
  spectrum.bulks.forEach(([low, high], i) => {
    const [start, end] = edges[i];
    const inside = angles.map((t) => start + ((end - start) * (1 - Math.cos(t))) / 2);
    const denoised = inside.map((x) => increasingRoot(spectrum.x, x, low, high));
    limit.x.push(start, ...inside, end);
    limit.y.push(0, ...denoised.map(spectrum.densityAt), 0);
  });

  const [ends, gap] = [{ x: [], y: [] }, { x: [], y: [] }];
  const around = (curve, left, right, delta) => {
    curve.x = [left, ...curve.x, right];
    curve.y = [delta, ...curve.y, delta];
  };
  for (const delta of logspace(...data.curve)) {
    const each = edgesOf(noisySpectrum(rho, delta));
    around(ends, each[0][0], each[each.length - 1][1], delta);
    if (each.length === 2) around(gap, each[0][1], each[1][0], delta);
  }
  const apart = edges.length === 2 ? drawn.filter((x) => x > (edges[0][1] + edges[1][0]) / 2).length : 0;
  return {
    series: {
      "density.histogram": histogram(hundredths, data.bins),
      "density.sticks": { x: drawn, y: drawn.map(() => 0) },
      "density.limit": limit,
      "fork.ends": ends,
      "fork.gap": gap,
      "fork.here": { x: drawn, y: drawn.map(() => noise) },
      "fork.level": { at: noise },
    },
    facts: {
      rank: Math.round(rho * data.d),
      words: apart ? fill(data.words.two, { apart }) : data.words.one,
      alpha: spectrum.dimension / data.information,
    },
  };
}
