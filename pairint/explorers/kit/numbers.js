// Numbers as text, and grids of them.

const SUPERSCRIPTS = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

export const superscript = (n) => String(n).split("").map((c) => SUPERSCRIPTS[c] ?? c).join("");

const trimZeros = (text) => (text.includes(".") ? text.replace(/0+$/, "").replace(/\.$/, "") : text);

// Three significant digits for people: 12 300, 0.0123, 4.56×10⁻⁷. The same rules as short of panels.py.
export function short(x) {
  if (typeof x === "string") return x;
  if (x === null || x === undefined || Number.isNaN(x)) return "–";
  if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
  if (x === 0) return "0";
  const size = Math.abs(x);
  const sign = x < 0 ? "−" : "";
  if (size >= 999999.5 || size < 0.000999) {
    const [mantissa, exponent] = size.toExponential(2).split("e");
    const digits = trimZeros(mantissa);
    return `${sign}${digits === "1" ? "" : `${digits}×`}10${superscript(Number(exponent))}`;
  }
  if (Number.isInteger(x) || size >= 999.5) {
    const whole = String(Math.round(size));
    return sign + (whole.length > 4 ? whole.replace(/\B(?=(\d{3})+$)/g, ",") : whole);
  }
  return sign + trimZeros(size.toPrecision(3));
}

// "{name}" in a sentence is replaced by the fact of that name.
export const fill = (template, facts) =>
  template.replace(/\{(\w+)\}/g, (all, name) => (name in facts ? short(facts[name]) : all));

export const linspace = (a, b, n) => Array.from({ length: n }, (_, i) => a + ((b - a) * i) / (n - 1));

export const logspace = (a, b, n) => linspace(Math.log10(a), Math.log10(b), n).map((e) => 10 ** e);
