// The whole figure as one SVG, or as a PNG.
import { node } from "./controls.js";
import { fill } from "./numbers.js";
import { FONT, escapeText, round, wrap } from "./panel.js";

export function composeSvg(spec, drawings, positions, size, colors, facts) {
  const header = [
    ...wrap(spec.title, 17, size.width - 24, 600).map((text) => ({ text, size: 17, weight: 600, color: colors.ink })),
    ...wrap(fill(spec.summary, facts), 12.5, size.width - 24, 400).map((text) => ({ text, size: 12.5, weight: 400, color: colors.muted })),
  ];
  let y = 14;
  let text = "";
  for (const line of header) {
    y += line.size + 5;
    text += `<text x="12" y="${y}" font-size="${line.size}" font-weight="${line.weight}" fill="${line.color}">${escapeText(line.text)}</text>`;
  }
  const offset = y + 14;
  const [width, height] = [Math.round(size.width), Math.round(size.height + offset + 8)];
  const bodies = drawings.map((d, i) => `<g transform="translate(${round(positions[i].x)} ${round(positions[i].y + offset)})">${d.body}</g>`);
  return {
    width,
    height,
    text: `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="${FONT}"><rect width="100%" height="100%" fill="${colors.ground}"/>${text}${bodies.join("")}</svg>`,
  };
}

export function save(blob, filename) {
  const href = URL.createObjectURL(blob);
  node("a", { href, download: filename }).click();
  setTimeout(() => URL.revokeObjectURL(href), 10000);
}

export async function rasterise(svg, factor = 2) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg.text)}`;
  await image.decode();
  const canvas = node("canvas", { width: svg.width * factor, height: svg.height * factor });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}
