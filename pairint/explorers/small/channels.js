// What each partner gives through a channel, as the classes of pairint.estimation.channels.

const radians = (degrees) => (degrees * Math.PI) / 180;
const onCircle = (degrees) => [Math.cos(radians(degrees)), Math.sin(radians(degrees))];
const columnsOf = (places) => ({ x: places.map((z) => z[0]), y: places.map((z) => z[1]) });

export function compute(p, data) {
  const weightsAt = (angle) => {
    const given = [angle, ...data.others].map((degrees) => Math.exp(data.beta * (Math.cos(radians(degrees)) - 1)));
    const sum = given.reduce((a, b) => a + b, 0);
    return given.map((h) => h / (p.channel === "normalised" ? sum : given.length));
  };
  const outputAt = (angle) => {
    const weights = weightsAt(angle);
    const origin = p.channel === "pairs" ? onCircle(0) : [0, 0];
    const places = [angle, ...data.others].map(onCircle);
    return [0, 1].map((axis) => weights.reduce((sum, w, j) => sum + w * (places[j][axis] - origin[axis]), 0));
  };
  const weights = weightsAt(p.angle);
  const before = weightsAt(data.before);
  const numbers = weights.map((_, j) => j + 1);
  const rest = (values) => values.slice(1).reduce((a, b) => a + b, 0);
  const path = Array.from({ length: 73 }, (_, k) => outputAt(5 * k - 180));
  return {
    series: {
      "plane.ring": columnsOf(data.ring),
      "plane.asking": columnsOf([onCircle(0)]),
      "plane.others": columnsOf(data.others.map(onCircle)),
      "plane.moved": columnsOf([onCircle(p.angle)]),
      "plane.path": columnsOf(path),
      "plane.output": columnsOf([outputAt(p.angle)]),
      "plane.numbers": {
        ...columnsOf([p.angle, ...data.others].map((degrees) => onCircle(degrees).map((x) => data.outside * x))),
        number: numbers,
      },
      "weights.now": {
        x: numbers.flatMap((j) => [-1, -1, 1, 1].map((side) => j + side * data.half)),
        y: weights.flatMap((w) => [0, w, w, 0]),
      },
      "weights.tops": { x: numbers, y: weights },
      "weights.before": { x: numbers, y: before },
    },
    facts: {
      own: weights[0],
      own_before: before[0],
      rest: rest(weights),
      rest_before: rest(before),
      verdict: data.words[p.channel],
    },
  };
}
