// One panel as SVG markup: axes, marks, legend.
import { fill } from "./numbers.js";
import { extent, linearTicks, logTicks, makeScale } from "./scales.js";

export const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif";
const DASHES = { solid: "", dash: "8 5", dot: "2 4", dashdot: "9 4 2 4" };

export const escapeText = (text) =>
  String(text).replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);

const ruler = { context: null, known: new Map() };

function textWidth(text, size, weight = 400) {
  const key = `${weight} ${size} ${text}`;
  if (!ruler.known.has(key)) {
    ruler.context ??= document.createElement("canvas").getContext("2d");
    ruler.context.font = `${weight} ${size}px ${FONT}`;
    if (ruler.known.size > 2000) ruler.known.clear();
    ruler.known.set(key, ruler.context.measureText(text).width);
  }
  return ruler.known.get(key);
}

// "M = 10" stays on one line.
export const bind = (text) => text.replaceAll(" = ", "\u00a0=\u00a0");

export function wrap(text, size, width, weight) {
  const lines = [];
  for (const word of bind(text).split(" ")) {
    const longer = lines.length ? `${lines[lines.length - 1]} ${word}` : word;
    if (lines.length && textWidth(longer, size, weight) <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

export const round = (v) => Math.round(v * 100) / 100;

// What a logarithmic axis cannot show, zero, lies on the floor.
function pathOf(xs, ys, sx, sy, floor) {
  let path = "";
  let pen = "M";
  for (let i = 0; i < xs.length; i += 1) {
    const px = sx(xs[i]);
    const py = sy(ys[i]);
    if (Number.isFinite(px) && !Number.isNaN(py)) {
      path += `${pen}${round(px)} ${round(py === Infinity ? floor : Math.max(-1e4, Math.min(1e4, py)))}`;
      pen = "L";
    } else pen = "M";
  }
  return path;
}

function symbolPath(symbol, x, y, r) {
  const [a, b] = [round(x), round(y)];
  if (symbol === "tick") return `M${a} ${b}v${-3 * r}`;
  if (symbol === "square") return `M${a - r} ${b - r}h${2 * r}v${2 * r}h${-2 * r}z`;
  if (symbol === "diamond") return `M${a} ${b - 1.4 * r}l${1.4 * r} ${1.4 * r}l${-1.4 * r} ${1.4 * r}l${-1.4 * r} ${-1.4 * r}z`;
  if (symbol === "triangle") return `M${a} ${b - 1.3 * r}l${1.2 * r} ${2.2 * r}h${-2.4 * r}z`;
  if (symbol === "cross") return `M${a - r} ${b - r}l${2 * r} ${2 * r}M${a - r} ${b + r}l${2 * r} ${-2 * r}`;
  return `M${a - r} ${b}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`;
}

// Several curves in one series: the next begins where x falls.
function curvesPath(xs, ys, sx, sy, floor) {
  let [path, from] = ["", 0];
  for (let i = 1; i <= xs.length; i += 1) {
    if (i < xs.length && xs[i] > xs[i - 1]) continue;
    path += pathOf(xs.slice(from, i), ys.slice(from, i), sx, sy, floor);
    from = i;
  }
  return path;
}

// Words at places of the panel, with a halo of the ground's colour; the names in them are columns of the series.
function drawWords(mark, data, sx, sy, colors) {
  return data.x
    .map((x, i) => {
      const row = Object.fromEntries(Object.entries(data).map(([name, column]) => [name, column[i]]));
      const place = `x="${round(sx(x))}" y="${round(sy(data.y[i]) + 4)}" text-anchor="${mark.anchor}"`;
      return `<text ${place} font-size="12" fill="${colors[mark.color]}" stroke="${colors.ground}" stroke-width="3" paint-order="stroke">${escapeText(bind(fill(mark.text, row)))}</text>`;
    })
    .join("");
}

// A point beyond an axis (zero on a logarithmic one, say) stands at the edge, with an arrowhead that points to it.
function atEdge(px, py, box) {
  const x = Math.min(Math.max(px, box.left), box.right);
  const y = Math.min(Math.max(py, box.top), box.bottom);
  const [dx, dy] = [Math.abs(px - x) > 1 ? Math.sign(px - x) : 0, Math.abs(py - y) > 1 ? Math.sign(py - y) : 0];
  if (!dx && !dy) return { x: px, y: py, arrow: "" };
  const [tx, ty] = [x - 2 * dx, y - 2 * dy];
  const [bx, by] = [tx - 5 * dx, ty - 5 * dy];
  const corners = [bx - 4 * dy, by - 4 * dx, tx, ty, bx + 4 * dy, by + 4 * dx].map(round);
  return { x: x - 13 * dx, y: y - 13 * dy, arrow: `M${corners.slice(0, 2).join(" ")}L${corners.slice(2).join(" ")}` };
}

function drawMark(mark, data, sx, sy, box, colors) {
  const color = colors[mark.color];
  const edge = mark.color === "data" ? colors.rim : color;
  const stroke = `stroke="${color}" stroke-width="${mark.width}" stroke-dasharray="${DASHES[mark.dash]}"`;
  if (mark.kind === "rule") {
    const p = round(mark.axis === "x" ? sx(data.at) : sy(data.at));
    if (!Number.isFinite(p)) return "";
    const d = mark.axis === "x" ? `M${p} ${box.top}V${box.bottom}` : `M${box.left} ${p}H${box.right}`;
    return `<path d="${d}" fill="none" ${stroke}/>`;
  }
  if (mark.kind === "line") {
    return `<path d="${pathOf(data.x, data.y, sx, sy, box.bottom)}" fill="none" ${stroke} stroke-linejoin="round"/>`;
  }
  if (mark.kind === "curves") {
    return `<path d="${curvesPath(data.x, data.y, sx, sy, box.bottom)}" fill="none" ${stroke} stroke-opacity="${mark.opacity}" stroke-linejoin="round"/>`;
  }
  if (mark.kind === "words") return drawWords(mark, data, sx, sy, colors);
  if (mark.kind === "area") {
    const n = data.x.length;
    const floor = data.low ?? new Array(n).fill(0);
    const back = [...data.x].reverse();
    const path = pathOf([...data.x, ...back], [...data.y, ...[...floor].reverse()], sx, sy, box.bottom);
    const rim = pathOf(data.x, data.y, sx, sy, box.bottom);
    return `<path d="${path}Z" fill="${color}" fill-opacity="${mark.opacity}" stroke="none"/><path d="${rim}" fill="none" stroke="${edge}" stroke-width="1.3"/>`;
  }
  let [symbols, bars, arrows] = ["", "", ""]; // points, with error bars where given: one path each, whatever their number
  for (let i = 0; i < data.x.length; i += 1) {
    const [px, py] = [sx(data.x[i]), sy(data.y[i])];
    if (Number.isNaN(px) || Number.isNaN(py)) continue;
    const { x, y, arrow } = atEdge(px, py, box);
    symbols += symbolPath(mark.symbol, x, y, mark.width);
    arrows += arrow;
    if (data.low) {
      const low = sy(data.low[i]);
      bars += `M${round(px)} ${round(sy(data.high[i]))}V${round(Number.isFinite(low) ? low : box.bottom)}`;
    }
  }
  const filled = mark.symbol === "cross" ? "none" : color;
  return `${bars && `<path d="${bars}" stroke="${color}" stroke-width="1.5"/>`}${arrows && `<path class="beyond" d="${arrows}" fill="none" stroke="${color}" stroke-width="2"/>`}<path d="${symbols}" fill="${filled}" fill-opacity="${mark.opacity}" stroke="${edge}" stroke-width="1.2"/>`;
}

function drawKey(mark, x, y, colors) {
  const color = colors[mark.color];
  const edge = mark.color === "data" ? colors.rim : color;
  if (mark.kind === "points") {
    const filled = mark.symbol === "cross" ? "none" : color;
    return `<path d="${symbolPath(mark.symbol, x + 11, y, Math.min(mark.width, 4.5))}" fill="${filled}" stroke="${edge}" stroke-width="1.2"/>`;
  }
  if (mark.kind === "area") {
    return `<rect x="${x}" y="${y - 6}" width="22" height="12" fill="${color}" fill-opacity="${mark.opacity}"/><path d="M${x} ${y - 6}h22" stroke="${edge}" stroke-width="1.3"/>`;
  }
  const faint = mark.kind === "curves" ? ` stroke-opacity="${mark.opacity}"` : "";
  return `<path d="M${x} ${y}h24" fill="none" stroke="${color}" stroke-width="${mark.width}"${faint} stroke-dasharray="${DASHES[mark.dash]}"/>`;
}

export const present = (data) => data && (data.at !== undefined ? Number.isFinite(data.at) : data.x.length > 0);

// Draw one panel at a given width. Returns the SVG markup and what the pointer needs to read it.
export function drawPanel(panel, series, facts, width, colors, id) {
  const shown = panel.marks.filter((mark) => present(series[`${panel.key}.${mark.key}`]));
  const dataOf = (mark) => series[`${panel.key}.${mark.key}`];
  const xs = [];
  const ys = [];
  for (const mark of shown) {
    const data = dataOf(mark);
    if (mark.kind === "rule") (mark.axis === "x" ? xs : ys).push([data.at]);
    else {
      xs.push(data.x);
      ys.push(data.y);
      if (mark.kind === "points" && data.low) ys.push(data.low, data.high);
      if (mark.kind === "area" && data.low) ys.push(data.low);
    }
  }
  let xDomain = extent(panel.x, xs);
  const yDomain = extent(panel.y, ys);
  const plotHeight = Math.round(Math.min(panel.height, Math.max(0.72 * panel.height, 0.62 * width)));
  const yTicks = (panel.y.scale === "log" ? logTicks : linearTicks)(yDomain, Math.max(3, plotHeight / 48));
  const tickWidth = Math.max(...yTicks.map((t) => textWidth(t.label, 12)), 10);
  const titleLines = wrap(fill(panel.title, facts), 14, width - 16, 600);
  const box = { left: Math.round(tickWidth + 34), right: width - 14, top: 14 + 18 * titleLines.length };
  box.bottom = box.top + plotHeight;
  if (panel.equal) {
    const half = (((box.right - box.left) / plotHeight) * (yDomain[1] - yDomain[0])) / 2;
    const middle = (xDomain[0] + xDomain[1]) / 2;
    xDomain = [middle - half, middle + half];
  }
  const sx = makeScale(panel.x.scale, xDomain, [box.left, box.right]);
  const sy = makeScale(panel.y.scale, yDomain, [box.bottom, box.top]);
  const xTicks = (panel.x.scale === "log" ? logTicks : linearTicks)(xDomain, Math.max(4, (box.right - box.left) / 64));

  let svg = titleLines
    .map((line, i) => `<text x="8" y="${17 + 18 * i}" font-size="14" font-weight="600" fill="${colors.ink}">${escapeText(line)}</text>`)
    .join("");
  for (const tick of xTicks) {
    const p = round(sx(tick.at));
    svg += `<path d="M${p} ${box.top}V${box.bottom + 4}" stroke="${colors.grid}"/>`;
    svg += `<text x="${p}" y="${box.bottom + 18}" font-size="12" text-anchor="middle" fill="${colors.muted}">${tick.label}</text>`;
  }
  for (const tick of yTicks) {
    const p = round(sy(tick.at));
    svg += `<path d="M${box.left - 4} ${p}H${box.right}" stroke="${colors.grid}"/>`;
    svg += `<text x="${box.left - 8}" y="${p + 4}" font-size="12" text-anchor="end" fill="${colors.muted}">${tick.label}</text>`;
  }
  svg += `<clipPath id="${id}"><rect x="${box.left}" y="${box.top - 1}" width="${box.right - box.left}" height="${plotHeight + 2}"/></clipPath>`;
  svg += `<g clip-path="url(#${id})">`;
  for (const mark of shown) svg += drawMark(mark, dataOf(mark), sx, sy, box, colors);
  svg += `</g><path d="M${box.left} ${box.top}V${box.bottom}H${box.right}" fill="none" stroke="${colors.frame}"/>`;
  const middle = (box.left + box.right) / 2;
  svg += `<text x="${round(middle)}" y="${box.bottom + 38}" font-size="13" text-anchor="middle" fill="${colors.ink}">${escapeText(fill(panel.x.label, facts))}</text>`;
  const center = round((box.top + box.bottom) / 2);
  svg += `<text transform="translate(14 ${center}) rotate(-90)" font-size="13" text-anchor="middle" fill="${colors.ink}">${escapeText(fill(panel.y.label, facts))}</text>`;

  let [kx, ky] = [8, box.bottom + 60];
  for (const mark of shown) {
    if (!mark.label) continue;
    const label = fill(mark.label, facts);
    const needed = 32 + textWidth(label, 12.5) + 16;
    if (kx > 8 && kx + needed > width) [kx, ky] = [8, ky + 20];
    svg += drawKey(mark, kx, ky, colors);
    svg += `<text x="${kx + 31}" y="${ky + 4}" font-size="12.5" fill="${colors.ink}">${escapeText(label)}</text>`;
    kx += needed;
  }
  const height = ky + 14;
  const open = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="${FONT}"`;
  return { open, body: svg, width, height, box, sx, sy, shown, xDomain, yDomain };
}
