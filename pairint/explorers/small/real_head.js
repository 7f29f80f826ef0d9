// Where a word looks, from the table that real_head.py reads.

export function compute(p, data) {
  const { word, tokens_read: sizes } = data.axes;
  const i = word.indexOf(p.word);
  const m = sizes.indexOf(p.tokens_read);
  const all = data.weights;
  const [truth, learned] = [all.true[i], all.learned[m][i]];
  const shown = truth.slice(0, word.length);
  const most = shown.indexOf(Math.max(...shown));
  const series = {
    "row.true": { x: shown.flatMap((w) => [0, w]), y: shown.flatMap((_, k) => [k + 1.2, k + 1.2]) },
    "row.learned": { x: learned.slice(0, word.length), y: shown.map((_, k) => k + 1.2) },
    "row.asking": { at: i + 1.2 },
  };
  word.forEach((_, k) => { series[`row.word${k}`] = { x: [0.012], y: [k + 0.8] }; });
  return {
    series,
    facts: {
      most: word[most],
      given: shown[most],
      learned: learned[most],
      off: Math.floor((Math.round(1e4 * truth.reduce((sum, w, k) => sum + Math.abs(w - learned[k]), 0)) + 100) / 200),
      error: all.error[m],
      own: all.own[m],
    },
  };
}
