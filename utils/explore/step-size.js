// The error of a difference quotient against its step, and the function close up: bent where h is large, stairs where it is small.
import { colour, curve, dot, handle, html, line, number, picture, show, terms, tint, write } from "./draw.js";

const WIDTH = 460, ETA = 2 ** -52, LOW = -16, PER = [1, 1.5, 2, 3, 5, 7]; // steps to a decade, from 1e−16 to 1
const CLOSE = { left: 4, top: 22, side: 172 }, ERROR = { left: 222, top: 22, width: 232, height: 172, low: -17, high: 2 };
const LAST = PER.length * -LOW;

// Numbers are read from decimals, so that they are those that torch reads. Functions are made of + − × ÷ only, which
// round in one way everywhere. A complex number is a pair.
export const step = (i) => Number(`${PER[i % PER.length]}e${LOW + Math.floor(i / PER.length)}`);
const times = ([a, b], [c, d]) => [a * c - b * d, a * d + b * c];
const FUNCTIONS = {
  square: { words: "*t*^{2}", f: (t) => t * t, slopes: (t) => [2 * t, 2, 0], complex: (z) => times(z, z) },
  cube: { words: "*t*^{3}", f: (t) => t * t * t, slopes: (t) => [3 * (t * t), 6 * t, 6], complex: (z) => times(times(z, z), z) },
  lifted: {
    words: "*t*^{3} + 1000", f: (t) => t * t * t + 1000, slopes: (t) => [3 * (t * t), 6 * t, 6],
    complex: (z) => { const [a, b] = times(times(z, z), z); return [a + 1000, b]; },
  },
  reciprocal: {
    words: "1/*t*", f: (t) => 1 / t, slopes: (t) => [-1 / (t * t), 2 / (t * t * t), -6 / (t * t * t * t)],
    complex: ([a, b]) => [a / (a * a + b * b), -b / (a * a + b * b)],
  },
};
const QUOTIENTS = {
  forward: ({ f }, t, h) => (f(t + h) - f(t)) / h,
  central: ({ f }, t, h) => (f(t + h) - f(t - h)) / (2 * h),
  complex: ({ complex }, t, h) => complex([t, h])[1] / h,
};

/** Every number that the figure shows, and the relative errors of all steps. */
export function numbers({ t0, power, i, f: name, scheme }) {
  const chosen = FUNCTIONS[name], t = Number(`${t0}e${power}`), h = step(i), value = chosen.f(t);
  const [slope, second, third] = chosen.slopes(t), quotient = QUOTIENTS[scheme](chosen, t, h), central = scheme !== "forward";
  const error = (of) => Math.abs(of / slope - 1);
  const bend = central ? Math.abs(third) / 6 : Math.abs(second) / 2; // truncation is about this times h, or h²
  const noise = ETA * Math.abs(value) * (scheme === "forward" ? 2 : 1); // rounding is about this over h
  return {
    t, h, value, slope, quotient, error: error(quotient),
    errors: Array.from({ length: LAST + 1 }, (_, k) => error(QUOTIENTS[scheme](chosen, t, step(k)))),
    truncation: (bend * (central ? h * h : h)) / Math.abs(slope),
    rounding: scheme === "complex" ? ETA : noise / h / Math.abs(slope),
    best: scheme === "complex" || !bend ? null : central ? Math.cbrt(noise / (2 * bend)) : Math.sqrt(noise / bend),
    digits: digits(quotient, slope),
    bend, noise,
  };
}

/** How many digits of a number, from the first of the other one on, are off by less than half a unit. */
function digits(found, right) {
  const first = leading(right), off = Math.abs(found - right);
  let count = 0;
  while (count < 16 && off < Number(`5e${first - count - 1}`)) count += 1;
  return count;
}
const leading = (value) => Number(value.toExponential(15).split("e")[1]);

// --- the function close up -------------------------------------------------------------------------------------------

function closeUp({ t, h, value, slope, quotient }, { f: name, scheme }) {
  const { f, complex } = FUNCTIONS[name], { left, top, side } = CLOSE, reach = 1.6 * h, imaginary = scheme === "complex";
  const from = imaginary ? 0 : value, at = imaginary ? (s) => complex([t, s])[1] : (s) => f(t + s);
  const tall = 1.45 * reach * Math.abs(slope), middle = [left + side / 2, top + side / 2];
  const place = (s, y) => [middle[0] + (s / reach) * (side / 2), middle[1] - ((y - from) / tall) * (side / 2)];
  const within = ([, y]) => y > top && y < top + side;
  const pieces = [[]]; // of the curve, where it is in sight
  for (let k = -96; k <= 96; k += 1) {
    const point = place((k / 96) * reach, at((k / 96) * reach));
    if (within(point)) pieces.at(-1).push(point);
    else if (pieces.at(-1).length) pieces.push([]);
  }
  const straight = (s0, y0, rise, options) =>
    clip([-reach, reach].map((s) => place(s, y0 + rise * (s - s0))), top, top + side, options);
  const nudged = scheme === "central" ? [-h, h] : [0, h];
  return [
    frame(left, top, side, side),
    straight(0, from, slope, { kind: "faint", width: 1.25, dash: "5 4" }),
    pieces.filter((piece) => piece.length > 1).map((piece) => curve(piece, { kind: "output", width: 2 })),
    straight(h, at(h), quotient, { kind: "gradient", width: 1.75 }),
    nudged.map((s) => [s, place(s, at(s))]).filter(([, point]) => within(point)).map(([s, point]) => dot(...point, 4.5, { kind: "gradient" })),
    nudged.map((s) => line(place(s, 0)[0], top + side, place(s, 0)[0], top + side - 6, { kind: "input" })),
    nudged.map((s) => write(place(s, 0)[0], top + side + 11, names(s, imaginary), { kind: "input", size: 14 })),
    write(left + side / 2, top - 11, imaginary ? "Im *f*(*t* + i*s*), close up" : "*f*, close up", { kind: "output", size: 14 }),
  ];
}
const names = (s, imaginary) => (imaginary ? (s ? "*s* = *h*" : "0") : s ? `*t* ${s > 0 ? "+" : "−"} *h*` : "*t*");
const frame = (x, y, width, height) =>
  curve([[x, y], [x + width, y], [x + width, y + height], [x, y + height], [x, y]], { width: 0.75 });
/** A line where it is between two heights. */
function clip([[x1, y1], [x2, y2]], low, high, options) {
  const part = [low, high].map((y) => (y - y1) / (y2 - y1 || 1e-9)).sort((p, q) => p - q);
  const ends = [Math.max(0, part[0]), Math.min(1, part[1])].map((k) => [x1 + k * (x2 - x1), y1 + k * (y2 - y1)]);
  return part[0] < 1 && part[1] > 0 ? line(...ends.flat(), options) : "";
}

// --- the error of all steps ------------------------------------------------------------------------------------------

const across = (h) => ERROR.left + ((Math.log10(h) - LOW) / -LOW) * ERROR.width;
const down = (error) => ERROR.top + ((ERROR.high - Math.log10(Math.min(1e2, Math.max(error, 5e-17)))) / (ERROR.high - ERROR.low)) * ERROR.height;

function errors({ h, slope, error, errors: all, best, bend, noise }, { i, scheme }) {
  const { left, top, width, height } = ERROR, bottom = top + height, power = scheme === "forward" ? 1 : 2, complex = scheme === "complex";
  const truncation = (x) => (bend * x ** power) / Math.abs(slope), rounding = (x) => (complex ? ETA : noise / x / Math.abs(slope));
  const ruling = (at, other, label) => { // a line of the plot, as far as it counts, and its name
    const seen = all.map((_, k) => step(k)).filter((x) => at(x) >= 1e-17 && at(x) <= 1e2 && at(x) > other(x) / 30);
    const [x1, x2] = [seen[0], seen.at(-1)];
    return seen.length < 2 ? "" : [line(across(x1), down(at(x1)), across(x2), down(at(x2)), { kind: "faint", width: 1.25, dash: "5 4" }), label(seen)];
  };
  const beside = (seen) => { // the falling line, on its right
    const x = complex ? seen[0] : (seen.find((x) => rounding(x) < 0.02) ?? seen.at(-1));
    return write(across(x) + 8, down(rounding(x)) - (complex ? 10 : 2), complex ? "rounding ∼ *η*" : "rounding ∼ 1/*h*", { kind: "faint", size: 14, anchor: "start" });
  };
  const below = (seen) => { // the rising line, on its right
    const end = across(seen.at(-1)) - 6, x = 10 ** (LOW - ((end - 92 - left) / width) * LOW);
    return write(end, Math.min(bottom - 30, down(truncation(x)) + 12), `truncation ∼ *h*${power === 2 ? "^{2}" : ""}`, { kind: "faint", size: 14, anchor: "end" });
  };
  const cloud = all.map((value, k) => `M${across(step(k)).toFixed(1)} ${down(value).toFixed(1)}h0`).join("");
  return [
    frame(left, top, width, height),
    [-12, -8, -4].map((e) => line(across(10 ** e), top, across(10 ** e), bottom, { kind: "faint", width: 0.4 })),
    [-12, -8, -4, 0].map((e) => line(left, down(10 ** e), left + width, down(10 ** e), { kind: "faint", width: 0.4 })),
    [-16, -12, -8, -4, 0].map((e) => [write(across(10 ** e) - (e ? 0 : 4), bottom + 11, ten(e), { kind: "faint", size: 14 }),
      write(left - 4, down(10 ** e), ten(e), { kind: "faint", size: 14, anchor: "end" })]),
    best && best < 1 ? line(across(best), top, across(best), bottom, { kind: "faint", width: 1.25, dash: "1 4" }) : "",
    bend ? ruling(truncation, rounding, below) : "",
    ruling(rounding, bend ? truncation : () => 0, beside),
    `<path d="${cloud}" stroke="${colour("gradient")}" stroke-width="3.2" stroke-opacity="0.75"/>`,
    line(across(h), top, across(h), bottom, { kind: "input", width: 1.5 }),
    handle(across(h), down(error), { kind: "gradient", radius: 5 }),
    write(left + width / 2, top - 11, "relative error against *h*", { size: 14 }),
  ];
}
const ten = (e) => (e ? `10^{${String(e).replace("-", "−")}}` : "1");

// --- the digits ------------------------------------------------------------------------------------------------------

/** Three rows of digits below each other: the slope, the quotient, and their difference, whose zeros stand under right digits. */
function rows({ slope, quotient, digits: right }) {
  const places = 15 - leading(slope), fixed = (value) => value.toFixed(places).replace("-", "−");
  const texts = [slope, quotient, quotient - slope].map(fixed), wide = Math.max(...texts.map((text) => text.length));
  const first = leading(slope), padded = texts.map((text) => text.padStart(wide)), pitch = 9, x0 = 108, y0 = 232;
  const point = wide - places - 1, column = (place) => (place >= 0 ? point - 1 - place : point - place); // of the digit of 10^place
  const until = right ? column(first - right + 1) : -1;
  const row = (k, kind, characters, bold) => characters.map(([c, j]) => [c, x0 + j * pitch]).filter(([c]) => c !== " ").length
    ? `<text x="${characters.map(([, j]) => x0 + j * pitch).join(" ")}" y="${y0 + 20 * k}" text-anchor="middle" dominant-baseline="central" ` +
      `font-size="14"${bold ? ' font-weight="bold"' : ""} fill="${colour(kind)}" xml:space="preserve">${characters.map(([c]) => c).join("")}</text>` : "";
  const cells = padded.map((text) => [...text].map((c, j) => [c, j]).filter(([c]) => c !== " "));
  const wrong = cells[1].filter(([, j]) => j > until);
  return [
    ["slope", "quotient", "difference"].map((word, k) => write(4, y0 + 20 * k, word, { kind: k === 1 ? "gradient" : "faint", size: 14, anchor: "start" })),
    row(0, "ink", cells[0]),
    row(1, "ink", cells[1].filter(([, j]) => j <= until), true),
    row(1, "wrong", wrong),
    wrong.length ? line(x0 + (wrong[0][1] - 0.4) * pitch, y0 + 29, x0 + (wide - 0.6) * pitch, y0 + 29, { kind: "wrong", width: 1.25, dash: "3 3" }) : "",
    row(2, "faint", cells[2].filter(([, j]) => j <= until)),
    row(2, "wrong", cells[2].filter(([, j]) => j > until)),
  ];
}

// --- words -----------------------------------------------------------------------------------------------------------

const SMALL = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
/** A number as 1.5·10⁻⁸, with the places that it needs or with so many. */
export function scientific(value, places) {
  const [mantissa, power] = value.toExponential(places).split("e");
  return value && Number(power) ? `${mantissa.replace("-", "−")}·10${[...String(Number(power))].map((c) => SMALL[c]).join("")}` : mantissa;
}

export function view(state) {
  const found = numbers(state), { t, h, error, truncation, rounding, best, digits: right } = found, complex = state.scheme === "complex";
  const [what, why] = !complex && t + h === t ? ["*t* + *h* is *t*:", "the nudge is lost"]
    : truncation > 3 * rounding ? ["*h* is too large:", "truncation rules"]
    : complex ? ["nothing is subtracted:", "a small *h* does no harm"]
    : rounding > 3 * truncation ? ["*h* is too small:", "rounding rules"] : ["the bottom of the V:", "both errors are about as large"];
  const about = (value) => scientific(value, 0);
  const said = `${NAMES[state.f]} at t = ${magnitude(state)}, ${state.scheme} ${complex ? "step" : "quotient"} with h = ${scientific(h)}. ` +
    `Relative error ${about(error)}, ${right} of 16 digits right. ${`${what} ${why}`.replaceAll("*", "")}.`;
  return {
    label: said,
    svg: picture(WIDTH, 286, said, closeUp(found, state), errors(found, state), rows(found)),
    says: terms(
      `${html("*h*")} = ${tint("input", scientific(h))}`, `error ${tint("gradient", about(error))}`, `<b>${right}</b> of 16 digits right`,
      truncation ? `truncation about ${about(truncation)}` : "no truncation", `rounding about ${about(rounding)}`,
      best ? `best ${html("*h*")} about ${about(best)}` : "",
      html(`${what} ${why}`)),
  };
}
const NAMES = { square: "t squared", cube: "t cubed", lifted: "t cubed plus 1000", reciprocal: "one over t" };
const magnitude = ({ t0, power }) => (power ? scientific(Number(`${t0}e${power}`)) : String(t0));

const controls = (state) => [
  { name: "i", label: "*h*", min: 0, max: LAST, step: 1, words: (i) => scientific(step(i)) },
  { name: "power", label: "*t*", min: -4, max: 4, step: 1, words: (power) => magnitude({ ...state, power }) },
  { name: "scheme", label: "slope by", options: [["forward", "forward quotient"], ["central", "central quotient"], ["complex", "complex step"]] },
  { name: "f", label: "*f* =", options: Object.entries(FUNCTIONS).map(([key, { words }]) => [key, words]) },
];

function pick(state, { x, begins }) {
  if (begins && x < ERROR.left - 12) return undefined;
  const want = LOW + ((x - ERROR.left) / ERROR.width) * -LOW, far = (k) => Math.abs(Math.log10(step(k)) - want);
  return { ...state, i: Array.from({ length: LAST + 1 }, (_, k) => k).reduce((best, k) => (far(k) < far(best) ? k : best)) };
}

export const figure = { controls, view, pick };
export default show(figure);
