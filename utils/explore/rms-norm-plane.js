// RMS-norm for two outputs: the plane of a, where the gradient loses its part along a, and the plane of v, where J_v begins.
import { arrow, curve, dot, grid, handle, html, line, number, picture, show, terms, tint, tuple, write } from "./draw.js";

const WIDTH = 460, HEIGHT = 264, M = 2;
const A = { x: 132, y: 132, half: 132, unit: 52 }, V = { x: 367, y: 93, half: 93, unit: 28 }; // the two planes
const place = (plane, [p, q]) => [plane.x + plane.unit * p, plane.y - plane.unit * q];
const dotted = (v, w) => v[0] * w[0] + v[1] * w[1];
const plus = (v, w, k = 1) => [v[0] + k * w[0], v[1] + k * w[1]];
const times = (v, w) => [v[0] * w[0], v[1] * w[1]];
const scaled = (k, v) => [k * v[0], k * v[1]];

/** Every number that the figure shows; without ε there is none but u at a = 0. */
export function numbers({ a1, a2, Jv1, Jv2, g1, g2, b1, b2, eps }) {
  const a = [a1, a2], g = [g1, g2], b = [b1, b2], Jv = [Jv1, Jv2];
  const u = Math.sqrt(dotted(a, a) / M + eps), given = { a, g, b, Jv, u, normJv: times(g, Jv) };
  if (u === 0) return given;
  const hat = scaled(1 / u, a), before = given.normJv;
  const R = [0, 1].map((p) => [0, 1].map((q) => (Number(p === q) - (a[p] * a[q]) / (M * u * u)) / u));
  const removed = scaled(dotted(hat, before) / M, hat), kept = plus(before, removed, -1), Ja = R.map((row) => dotted(row, before));
  const turn = Math.abs(Math.atan2(a[0] * Ja[1] - a[1] * Ja[0], dotted(a, Ja)) * 180) / Math.PI;
  return {
    ...given, hat, v: plus(times(g, hat), b), R, removed, kept, Ja, slope: dotted(a, Ja),
    length: Math.hypot(...Ja), degrees: turn, across: 1 / u, along: eps / u ** 3,
  };
}

/** The part of a way through a plane that lies in it: 1 if all does. */
function room(plane, from, by) {
  const far = (at, d) => (d ? (plane.half / plane.unit - Math.sign(d) * at) / Math.abs(d) : Infinity);
  return Math.max(0, Math.min(1, far(from[0], by[0]), far(from[1], by[1])));
}
const edge = (plane, from, by, options) => line(...place(plane, from), ...place(plane, plus(from, by, room(plane, from, by))), options);
/** An arrow in a plane; one that leaves it ends at the edge, without a head. */
const vector = (plane, from, by, options) =>
  room(plane, from, by) < 1 ? edge(plane, from, by, options) : arrow(...place(plane, from), ...place(plane, plus(from, by)), options);

function name(plane, at, words, kind, [dx, dy]) {
  const symbol = words.length < 6, [x, y] = place(plane, at);
  const near = (value, middle, rim) => Math.min(middle + plane.half - rim, Math.max(middle - plane.half + rim, value));
  return write(near(x + dx, plane.x, symbol ? 14 : 28), near(y - dy, plane.y, 12), words, { kind, bold: symbol, size: symbol ? 15 : 14 });
}
const round = (plane, centre, radii) =>
  curve(Array.from({ length: 73 }, (_, k) => place(plane, plus(centre, times(radii, [Math.cos((k * Math.PI) / 36), Math.sin((k * Math.PI) / 36)])))));
const ground = ({ x, y, half }, symbol) => [
  curve([[x - half, y - half], [x + half, y - half], [x + half, y + half], [x - half, y + half], [x - half, y - half]], { width: 0.5 }),
  line(x - half, y, x + half, y, { kind: "faint", width: 0.5 }), line(x, y - half, x, y + half, { kind: "faint", width: 0.5 }),
  write(x + half - 12, y + 11, `*${symbol}*_{1}`, { kind: "faint", size: 14 }), write(x + 13, y - half + 11, `*${symbol}*_{2}`, { kind: "faint", size: 14 }),
];

function rightAngle(at, along, across) {
  const [x, y] = place(A, at), s = 10, [p, q] = [scaled(-s, along), scaled(s, across)];
  return curve([[x + p[0], y - p[1]], [x + p[0] + q[0], y - p[1] - q[1]], [x + q[0], y - q[1]]], { kind: "ink", width: 1 });
}

function planeOfA({ a, hat, normJv, removed, kept, Ja, length, degrees }) {
  const ray = scaled(1 / (Math.hypot(...a) || 1), a), tip = plus(a, normJv), lost = Math.hypot(...removed);
  const beside = length > 1e-9 ? scaled(-15 / length, Ja) : [-15 * ray[1], 15 * ray[0]]; // where no gradient is
  const back = scaled(dotted(removed, ray) < 0 ? 10 : -10, ray);
  return [
    [9, -9].map((k) => vector(A, a, scaled(k, ray), { kind: "faint", width: 1, dash: "1 4" })),
    line(...place(A, [0, 0]), ...place(A, a), { kind: "output", width: 1.5 }),
    vector(A, [0, 0], hat, { kind: "output", width: 3 }),
    Math.hypot(...hat) > 0.5 ? name(A, scaled(0.5, hat), "â", "output", beside) : "",
    lost > 0.05 ? vector(A, a, removed, { kind: "faint", width: 2, dash: "5 4" }) : "",
    lost > 0.5 ? name(A, plus(a, removed), "removed", "faint", scaled(1.5, beside)) : "",
    edge(A, tip, scaled(-1, removed), { kind: "gradient", width: 1, dash: "2 4" }),
    edge(A, a, kept, { kind: "gradient", width: 1, dash: "2 4" }),
    vector(A, a, normJv, { kind: "gradient", width: 1.75 }),
    vector(A, a, Ja, { kind: "gradient", width: 4 }),
    length > 0.05 && Math.abs(degrees - 90) < 0.5 ? rightAngle(a, ray, scaled(1 / length, Ja)) : "",
    Math.hypot(...normJv) > 0.2 ? name(A, tip, "J_{â}", "gradient", scaled(14 / Math.hypot(...normJv), normJv)) : "",
    length > 0.05 ? name(A, plus(a, Ja), "J_{a}", "gradient", plus(scaled(12 / length, Ja), scaled(Math.sign(dotted(removed, ray)) * -14, ray))) : "",
    handle(...place(A, a), { kind: "output" }),
    name(A, a, "a", "output", plus(beside, back)),
  ];
}

function planeOfV({ v, b, Jv }) {
  const end = place(V, plus(v, Jv)), size = Math.hypot(...Jv), way = size ? scaled(1 / size, Jv) : [0, 1], out = plus(v, b, -1);
  return [
    vector(V, b, out, { kind: "output", width: 2 }),
    dot(...place(V, b), 3.5, { kind: "weight" }),
    name(V, b, "b", "weight", plus(scaled(-12 / (Math.hypot(...out) || 1), out), [0, -2])),
    vector(V, v, Jv, { kind: "gradient", width: 2.5 }),
    Math.max(Math.abs(end[0] - V.x), Math.abs(end[1] - V.y)) < V.half ? handle(...end, { kind: "gradient", radius: 3 }) : "",
    name(V, plus(v, Jv), "J_{v}", "gradient", scaled(18, way)),
    name(V, v, "v", "output", scaled(-13, way)),
  ];
}

export function view(state) {
  const found = numbers(state), { a, u, g, b, normJv, hat, v, R, Ja, slope, length, degrees, across, along } = found;
  const at = u > 0, turns = length > 1e-9 && Math.hypot(...a) > 0;
  const turned = turns ? `It stands at ${number(degrees, 0)}° to a.` : "";
  const said = at
    ? `a is ${tuple(a)}, u is ${number(u)}, a-hat is ${tuple(hat)}. R has the rows ${R.map((row) => tuple(row)).join(" and ")}. ` +
      `The gradient before is ${tuple(normJv)}, after it is ${tuple(Ja)}, of length ${number(length)}. ${turned}`
    : "a is 0 and ε is 0: u is 0, and there is no R.";
  return {
    label: said,
    svg: picture(WIDTH, HEIGHT, said,
      ground(A, "a"), ground(V, "v"), round(A, [0, 0], [Math.SQRT2, Math.SQRT2]), round(V, b, scaled(Math.SQRT2, g)),
      at ? [planeOfA(found), planeOfV(found)] : handle(...place(A, a), { kind: "output" }),
      write(V.x - 62, 228, "**R** =", { kind: "ink" }),
      grid(V.x - 36, 200, at ? R.map((row) => row.map((value) => number(value))) : [["", ""], ["", ""]], { cell: 54, height: 28, kind: "ink" })),
    says: !at ? html("At **a** = **0** without *ε* the scale *u* is 0, and there is no **R**.") : terms(
      `${html("*u*")} = ${number(u)}`,
      `${html("**â**")} = ${tint("output", tuple(hat))}`,
      `${html("**v**")} = ${tint("output", tuple(v))}`,
      `${html("**J**_{â} = **g** ⊙ **J**_{v}")} = ${tint("gradient", tuple(normJv))}`,
      `${html("**J**_{a} = **RJ**_{â}")} = ${tint("gradient", tuple(Ja))}`,
      `of length ${number(length)}${turns ? html(`, at ${number(degrees, 0)}° to **a**`) : ""}`,
      `${html("**a**^{⊤}**J**_{a}")} = ${number(slope)}`,
      `${html("**R** across **a**: 1/*u*")} = ${number(across)}`,
      `${html("along **a**: *ε*/*u*^{3}")} = ${number(along)}`),
  };
}

const pair = (key, label, reach) => [1, 2].map((i) => ({ name: `${key}${i}`, label: `${label}_{${i}}`, min: -reach, max: reach, step: 0.05 }));
const controls = () => [
  ...pair("a", "*a*", 2.5), ...pair("Jv", "(**J**_{v})", 2), ...pair("g", "*g*", 1.5), ...pair("b", "*b*", 1),
  { name: "eps", label: "*ε*", min: 0, max: 1, step: 0.05 },
];

const onto = (value, reach) => Math.round(Math.min(reach, Math.max(-reach, value)) * 20) / 20;
function pick(state, { x, y, begins }) {
  const held = begins ? (x < A.x + A.half ? "a" : y < V.y + V.half ? "Jv" : "") : state.held, plane = held === "a" ? A : V;
  const at = [(x - plane.x) / plane.unit, (plane.y - y) / plane.unit];
  if (held === "a") return { ...state, held, a1: onto(at[0], 2.5), a2: onto(at[1], 2.5) };
  const { v } = numbers(state);
  return held && v && { ...state, held, Jv1: onto(at[0] - v[0], 2), Jv2: onto(at[1] - v[1], 2) };
}

export const figure = { controls, view, pick };
export default show(figure);
