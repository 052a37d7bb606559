// xᵀAx in the plane: its level lines, its gradient, and 2xᵀA, which is the gradient where A is symmetric only.
import { arrow, curve, handle, html, line, number, picture, show, terms, tint, tuple, write } from "./draw.js";

const WIDTH = 440, HEIGHT = 340, UNIT = 95, SHRINK = 0.3; // arrows of gradients are drawn at this part of their length
const LEVELS = [0.25, 1, 2.25, 4, 6.25, 9];
const place = ([a, b]) => [WIDTH / 2 + UNIT * a, HEIGHT / 2 - UNIT * b];

/** A with the chosen part that is not symmetric: (S, k) → S + k [[0, 1], [−1, 0]]. */
export const matrix = ({ S, k }) => [[S[0][0], S[0][1] + k], [S[1][0] - k, S[1][1]]];

/** Every number that the figure shows. */
export function numbers(state) {
  const A = matrix(state), x = [state.x1, state.x2];
  const Ax = A.map((row) => row[0] * x[0] + row[1] * x[1]);
  const xA = [0, 1].map((j) => x[0] * A[0][j] + x[1] * A[1][j]);
  const right = xA.map((value, j) => value + Ax[j]), wrong = xA.map((value) => 2 * value);
  const cross = right[0] * wrong[1] - right[1] * wrong[0], along = right[0] * wrong[0] + right[1] * wrong[1];
  return { A, x, form: x[0] * Ax[0] + x[1] * Ax[1], right, wrong, degrees: Math.abs(Math.atan2(cross, along) * 180) / Math.PI };
}

function ellipse(S, level) {
  // With S = LLᵀ, the points Lᵀu of a circle.
  const l = Math.sqrt(S[0][0]), m = S[0][1] / l, n = Math.sqrt(S[1][1] - m * m), r = Math.sqrt(level);
  return Array.from({ length: 61 }, (_, t) => {
    const v = (r * Math.sin((t * Math.PI) / 30)) / n;
    return place([(r * Math.cos((t * Math.PI) / 30) - m * v) / l, v]);
  });
}

export function view(state) {
  const { A, x, form, right, wrong, degrees } = numbers(state), [px, py] = place(x);
  const tip = (g) => place([x[0] + SHRINK * g[0], x[1] + SHRINK * g[1]]);
  const parted = degrees >= 0.5 && Math.hypot(...x) > 0;
  const length = Math.hypot(...right) || 1, t = [-right[1] / length, right[0] / length];
  const ends = [-0.9, 0.9].map((s) => place([x[0] + s * t[0], x[1] + s * t[1]]));
  const apart = parted ? `They part by ${number(degrees, 0)}°.` : "They are the same.";
  const said = `x is ${tuple(x)}. The form is ${number(form)}. The gradient is ${tuple(right)}, two x transposed A is ${tuple(wrong)}. ${apart}`;
  return {
    label: said,
    svg: picture(WIDTH, HEIGHT, said,
      line(0, HEIGHT / 2, WIDTH, HEIGHT / 2, { kind: "faint", width: 0.5 }),
      line(WIDTH / 2, 0, WIDTH / 2, HEIGHT, { kind: "faint", width: 0.5 }),
      LEVELS.map((level) => curve(ellipse(state.S, level), { width: 0.75 })),
      form > 1e-4 ? curve(ellipse(state.S, form), { kind: "output", width: 2 }) : "",
      line(...ends.flat(), { kind: "faint", dash: "2 4" }),
      line(...place([0, 0]), px, py, { kind: "input", width: 2 }),
      arrow(px, py, ...tip(right), { kind: "gradient", width: 3 }),
      parted ? arrow(px, py, ...tip(wrong), { kind: "wrong", width: 2.5, dash: "6 5" }) : "",
      handle(px, py, { kind: "input" }),
      write(px - 16, py + 18, "**x**", { kind: "input" })),
    says: terms(
      `<b>A</b> = [${A.map((row) => row.map((value) => number(value)).join(", ")).join("; ")}]`,
      `${html("**x**^{⊤}**Ax**")} = ${tint("output", number(form))}`,
      `${html("**x**^{⊤}(**A** + **A**^{⊤})")} = ${tint("gradient", tuple(right))}`,
      `${html("2**x**^{⊤}**A**")} = ${tint("wrong", tuple(wrong))}`,
      apart),
  };
}

const controls = () => [
  { name: "x1", label: "*x*_{1}", min: -2, max: 2, step: 0.05 },
  { name: "x2", label: "*x*_{2}", min: -1.5, max: 1.5, step: 0.05 },
  { name: "k", label: "*k*, what makes **A** unsymmetric", min: -2, max: 2, step: 0.05 },
];

const onto = (value, limit) => Math.round(Math.min(limit, Math.max(-limit, value)) * 20) / 20;
const pick = (state, { x, y }) => ({ ...state, x1: onto((x - WIDTH / 2) / UNIT, 2), x2: onto((HEIGHT / 2 - y) / UNIT, 1.5) });

export const figure = { controls, view, pick };
export default show(figure);
