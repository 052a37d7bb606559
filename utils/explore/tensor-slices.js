// The tensor ∂y_i/∂a_jk of y = Ax, slice by slice, and the sum of the slices with weights v_i, which is vxᵀ.
import { grid, html, number, picture, plain, show, stack, terms, tint, write } from "./draw.js";

const WIDTH = 440, LEFT = 30, CELL = 38, HEIGHT = 34, LEAN = 14; // of an entry of a slice, which stands like a page
const WIDE = 44, LOW = 26, HIGHEST = 2; // of an entry of the sum; of a weight
const brief = (value) => number(value).replace(/\.?0+$/, "");
const inner = (value) => (value < 0 ? `(${brief(value)})` : brief(value));
const range = (size) => Array.from({ length: size }, (_, t) => t);
const weights = (state) => range(state.m).map((i) => state[`v${i + 1}`]);
const named = (j, k) => `*a*_{${j + 1}${k + 1}}`;

/** Every number that the figure shows: all slices, their two sums, and the slopes of all outputs by the chosen weight. */
export function numbers(state) {
  const { m, x } = state, v = weights(state);
  const slices = range(m).map((i) => range(m).map((j) => x.map((value) => (i === j ? value : 0))));
  const sum = (v) => range(m).map((j) => x.map((_, k) => v.reduce((total, value, i) => total + value * slices[i][j][k], 0)));
  return { x, v, slices, vjp: sum(v), ones: sum(v.map(() => 1)), slopes: slices.map((slice) => slice[state.j - 1][state.k - 1]) };
}

/** What is special about some weights. */
function remark(v) {
  const others = v.filter((value) => value !== 0), place = v.indexOf(1) + 1;
  if (v.every((value) => value === 1)) return "With **v** = **1** the sum is what backward(ones) returns.";
  if (others.length === 1 && place) return `With **v** = **e**_{${place}} the sum is slice ${place} itself.`;
  return others.length ? "" : "With **v** = **0** nothing is left.";
}

export function view(state) {
  const { m, x } = state, { v, slices, vjp, ones, slopes } = numbers(state), n = x.length;
  const byOutput = state.look === "output", [i, j, k] = [state.i - 1, state.j - 1, state.k - 1];
  const strength = (value) => 0.3 * Math.min(1, Math.abs(value) / HIGHEST);
  const top = 36 + n * LEAN, apart = Math.min(150, (WIDTH - LEFT - 24 - n * CELL) / Math.max(1, m - 1)), foot = top + m * HEIGHT;
  const own = (page, row) => (row === page ? "gradient" : "faint"); // output i has slopes by row i only
  const pages = stack(LEFT, top, slices.map((slice) => slice.map((row) => row.map(brief))), {
    apart, cell: CELL, height: HEIGHT, lean: LEAN, size: 15, name: "page", kind: own,
    through: byOutput ? undefined : [j, k],
    chosen: byOutput ? i : undefined,
    lit: (page, row, column) => ((byOutput ? page === i && row === i : row === j && column === k) ? own(page, row) : undefined),
    shade: (page, row) => (row === page ? strength(v[page]) : 0), // a slice of weight zero has no colour
  });
  const titles = v.map((weight, page) => {
    const x0 = LEFT + page * apart + (n * CELL) / 2, bold = byOutput && page === i;
    return [
      write(x0, 16, `∂*y*_{${page + 1}}/∂**A**`, { kind: "gradient", bold }),
      page ? write(x0 - apart / 2, foot + 14, "+", { kind: "gradient" }) : "",
      write(x0, foot + 14, `*v*_{${page + 1}} = ${brief(weight)}`, { kind: "gradient", bold }),
    ];
  });

  const base = foot + 84;
  const product = (left, column, table, title) => [
    write(left + ((n - 1) * WIDE - 4) / 2, base - 44, title, { kind: "gradient" }),
    grid(left, base - LOW - 4, [x.map(brief)], { kind: "input", cell: WIDE, height: LOW }),
    grid(left - WIDE - 4, base, column.map((value) => [brief(value)]), { kind: "gradient", cell: WIDE, height: LOW }),
    grid(left, base, table.map((row) => row.map(brief)), {
      kind: (row) => (column[row] ? "gradient" : "faint"), cell: WIDE, height: LOW, name: "sum",
      lit: (row, column) => ((byOutput ? row === i : row === j && column === k) ? "gradient" : undefined),
      shade: (row) => strength(column[row]) }),
  ];
  const sum = v.map((value, i) => `${i ? inner(value) : brief(value)}·${inner(slopes[i])}`).join(" + ");
  const list = (values) => `(${values.map(brief).join(", ")})`;
  const told = byOutput
    ? `Slice ${i + 1}, the slopes of y ${i + 1}: x transposed, ${list(x)}, in row ${i + 1}, zeros elsewhere. ` +
      `With the weights ${list(v)}, row ${i + 1} of the sum is ${list(vjp[i])}; with ones it is ${list(ones[i])}.`
    : `The slopes of the outputs by a ${j + 1} ${k + 1} are ${list(slopes)}. ` +
      `Their sum with the weights ${list(v)} is ${brief(vjp[j][k])}; with ones it is ${brief(ones[j][k])}.`;
  const seldom = remark(v), said = `${told} ${plain(seldom)}`.trim();
  const words = byOutput
    ? terms(`Output ${i + 1} reads row ${i + 1} of <b>A</b> only:`, `${html(`∂*y*_{${i + 1}}/∂**A** = **e**_{${i + 1}}**x**^{⊤}`)}.`,
        `With <b>v</b> = ${list(v)},`, `row ${i + 1} of the sum is ${html(`*v*_{${i + 1}}**x**^{⊤}`)} = ${tint("gradient", list(vjp[i]))}.`,
        `With ones: ${list(ones[i])}.`)
    : terms(`Only output ${j + 1} reads ${html(named(j, k))}:`, `its slopes are ${list(slopes)}.`,
        `In the sum, ${sum} = ${html(`*v*_{${j + 1}}*x*_{${k + 1}}`)} = ${tint("gradient", brief(vjp[j][k]))}.`, `With ones: ${brief(ones[j][k])}.`);
  return {
    label: said,
    svg: picture(WIDTH, base + m * LOW + 6, said,
      range(m).map((row) => write(LEFT - 14, top + (row + 0.5) * HEIGHT, String(row + 1), { kind: "faint", size: 13 })),
      pages, titles,
      product(WIDTH / 4 - ((n - 1) * WIDE) / 2, v, vjp, "their sum, **vx**^{⊤}"),
      product((3 * WIDTH) / 4 - ((n - 1) * WIDE) / 2, v.map(() => 1), ones, "backward(ones)")),
    says: `${words} ${terms(html(seldom))}`,
  };
}

const controls = (state) => [
  { name: "look", label: "Follow", options: [["output", "an output *y*_{i}"], ["weight", "a weight *a*_{jk}"]] },
  ...(state.look === "output" ? [{ name: "i", label: "*i*", min: 1, max: state.m, step: 1 }]
    : [{ name: "j", label: "row *j*", min: 1, max: state.m, step: 1 }, { name: "k", label: "column *k*", min: 1, max: state.x.length, step: 1 }]),
  ...range(state.m).map((i) => ({ name: `v${i + 1}`, label: `*v*_{${i + 1}}`, min: -HIGHEST, max: HIGHEST, step: 0.5, words: brief })),
];

const pick = (state, { hit }) =>
  !hit ? undefined
  : state.look === "weight" ? { ...state, j: hit.i + 1, k: hit.j + 1 }
  : { ...state, i: (hit.name.startsWith("page") ? Number(hit.name.slice(4)) : hit.i) + 1 };

export const figure = { controls, view, pick };
export default show(figure);
