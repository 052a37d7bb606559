// Y = XW + b and a batch: which row and column make an entry of J_W, J_X or J_b, and their product written out.
import { curve, dot, grid, html, line, number, picture, plain, show, terms, tint, write } from "./draw.js";

const CELL = 38, HIGH = 36, GAP = 16, HEAD = 29, EDGE = 4;
const exact = (value) => number(value, 0); // all are whole
const bold = (matrix) => (matrix.startsWith("J_") ? `**J**_{**${matrix.slice(2)}**}` : `**${matrix}**`);
const factor = (value) => (value < 0 ? `(${exact(value)})` : exact(value));
const range = (size) => Array.from({ length: size }, (_, k) => k);

// Of each gradient: its rule, and for its entry (p, q) the entries that each term of the sum multiplies.
const GRADIENTS = {
  W: {
    rule: "**J**_{**W**} = **X**^{⊤}**J**_{**Y**}", index: "i", over: ({ N }) => `the ${N} examples`,
    size: ({ n, m }) => [n, m],
    adds: ({ N }, p, q) => range(N).map((i) => [["X", i, p], ["J_Y", i, q]]),
    needs: (p, q) => `column ${p} of **X**, column ${q} of **J**_{**Y**}`,
  },
  X: {
    rule: "**J**_{**X**} = **J**_{**Y**}**W**^{⊤}", index: "j", over: ({ m }, p) => `the ${m} neurons of example ${p}`,
    size: ({ N, n }) => [N, n],
    adds: ({ m }, p, q) => range(m).map((j) => [["J_Y", p, j], ["W", q, j]]),
    needs: (p, q) => `row ${p} of **J**_{**Y**}, row ${q} of **W**`,
  },
  b: {
    rule: "**J**_{**b**} = **1**_{*N*}^{⊤}**J**_{**Y**}", index: "i", over: ({ N }) => `the ${N} examples`,
    size: ({ m }) => [1, m],
    adds: ({ N }, p, q) => range(N).map((i) => [["J_Y", i, q]]),
    needs: (p, q) => `column ${q} of **J**_{**Y**}`,
  },
};
const KIND = { X: "input", W: "weight", J_Y: "gradient" }, LETTER = { X: "x", W: "w", J_Y: "g" };
const sizes = ({ X, W }) => ({ N: X.length, n: W.length, m: W[0].length });
const times = (values) => values.reduce((product, value) => product * value, 1);
const plus = (values) => values.reduce((sum, value) => sum + value, 0);

/** Every number that the figure shows. */
export function numbers(state) {
  const size = sizes(state), found = {};
  const read = (term) => term.map(([matrix, row, column]) => state[matrix][row][column]);
  for (const [of, { size: shape, adds }] of Object.entries(GRADIENTS)) {
    const [rows, columns] = shape(size);
    found[`J_${of}`] = range(rows).map((p) => range(columns).map((q) => plus(adds(size, p, q).map(read).map(times))));
  }
  const factors = GRADIENTS[state.of].adds(size, state.p - 1, state.q - 1).map(read), products = factors.map(times);
  return { ...found, factors, products, sum: plus(products) };
}

export function view(state) {
  const { N, n, m } = sizes(state), found = numbers(state), { of, p, q, i, j } = state;
  const { rule, index, over, adds, needs } = GRADIENTS[of];
  const name = bold(`J_${of}`), used = adds({ N, n, m }, p - 1, q - 1);
  // As in a product laid out by hand: X left of the place of Y, W above it. The gradients stand around them.
  const left = [0, 1, 2].map((k) => EDGE + k * (n * CELL + GAP)), right = left[2] + m * CELL;
  const top = [HEAD, 2 * HEAD + n * HIGH, 3 * HEAD + 2 * n * HIGH, 4 * HEAD + (2 * n + N) * HIGH];
  const places = {
    J_W: [left[2], top[0]], W: [left[2], top[1]], J_Y: [left[2], top[2]], J_b: [left[2], top[3]],
    J_X: [left[0], top[2]], X: [left[1], top[2]],
  };
  const feeds = (...entry) => used.flat().some((other) => other.every((part, k) => part === entry[k]));
  const draw = (matrix, values, kind) => [
    grid(...places[matrix], values.map((row) => row.map(exact)), {
      kind: (a, b) => (values[a][b] ? kind : "faint"), cell: CELL, height: HIGH, size: 14, name: matrix.startsWith("J_") ? matrix : undefined,
      lit: (a, b) => ((matrix === `J_${of}` ? a === p - 1 && b === q - 1 : feeds(matrix, a, b)) ? kind : undefined),
    }),
    write(places[matrix][0] + (values[0].length * CELL) / 2, places[matrix][1] - 13, bold(matrix), { kind }),
  ];
  const corner = (matrix, a, b) => dot(places[matrix][0] + (b + 1) * CELL - 6, places[matrix][1] + a * HIGH + 6, 2.5, { kind: "gradient" });
  const [x, y] = [left[2] + (j - 1) * CELL, top[2] + (i - 1) * HIGH];
  // The sum, a line for each term.
  const step = 25, begin = top[0] + 62, end = left[2] - GAP;
  const written = used.map((term, k) => {
    const level = begin + k * step, values = found.factors[k], kinds = term.map(([matrix]) => KIND[matrix]);
    const put = (x, text, colour, anchor = "start") => write(x, level, text, { kind: colour, size: 15, anchor });
    const symbols = term.map(([matrix, row, column], t) => put(48 + 26 * t, `*${LETTER[matrix]}*_{${row + 1}${column + 1}}`, kinds[t]));
    const filled = [put(102, "="), put(148, factor(values[0]), kinds[0], "end"), put(152, "·"), put(158, factor(values[1] ?? 1), kinds[1])];
    return [put(EDGE, `*${index}* = ${k + 1}`, "faint"), symbols, term.length > 1 ? filled : [], put(196, "="),
      put(end, exact(found.products[k]), "gradient", "end")];
  });
  const below = begin + used.length * step, entry = of === "b" ? `(${name})_{${q}}` : `(${name})_{${p}${q}}`;
  const sum = found.factors.map((values) => values.map(exact).join(" times ")).join(" plus ");
  const spoken = `Entry ${of === "b" ? q : `${p}, ${q}`} of ${plain(name)} comes from ${plain(needs(p, q))}: ${sum} is ${exact(found.sum)}. ` +
    `The entry ${i}, ${j} of J Y, ${exact(state.J_Y[i - 1][j - 1])}, enters column ${j} of J W, row ${i} of J X and entry ${j} of J b.`;
  return {
    label: spoken,
    svg: picture(right + EDGE, top[3] + HIGH + EDGE, spoken,
      draw("W", state.W, "weight"), draw("X", state.X, "input"),
      ["J_W", "J_X", "J_b"].map((gradient) => draw(gradient, found[gradient], "gradient")), draw("J_Y", state.J_Y, "gradient"),
      '<g pointer-events="none">', // what is pressed is the entry below
      range(n).map((a) => corner("J_W", a, j - 1)), range(n).map((b) => corner("J_X", i - 1, b)), corner("J_b", 0, j - 1),
      curve([[x, y], [x + CELL, y], [x + CELL, y + HIGH], [x, y + HIGH], [x, y]], { kind: "ink", width: 2.5 }),
      "</g>",
      write(EDGE, top[0] + 2, rule, { kind: "gradient", size: 18, anchor: "start" }),
      write(EDGE, top[0] + 30, needs(p, q), { size: 15, anchor: "start" }),
      written,
      line(EDGE, below - 12, end, below - 12, { width: 1 }),
      write(EDGE, below + 4, `the sum, ${entry}`, { kind: "gradient", size: 15, anchor: "start" }),
      write(end, below + 4, exact(found.sum), { kind: "gradient", size: 16, anchor: "end", bold: true })),
    says: terms(
      `${tint("gradient", html(entry))} = ${tint("gradient", exact(found.sum))}, a sum over ${over({ N, m }, p)}.`,
      `${html("(**J**_{**Y**})")}<sub>${i}${j}</sub> = ${tint("gradient", exact(state.J_Y[i - 1][j - 1]))}`,
      `enters column ${j} of ${html("**J**_{**W**}")},`, `row ${i} of ${html("**J**_{**X**}")}`, `and entry ${j} of ${html("**J**_{**b**}")} (dots).`),
  };
}

function controls(state) {
  const size = sizes(state), [rows, columns] = GRADIENTS[state.of].size(size);
  const entry = [{ name: "q", label: "column *q*", min: 1, max: columns, step: 1 }];
  if (rows > 1) entry.unshift({ name: "p", label: "row *p*", min: 1, max: rows, step: 1 });
  return [
    { name: "of", label: "Gradient", options: Object.keys(GRADIENTS).map((of) => [of, bold(`J_${of}`)]) },
    ...entry,
    { name: "i", label: "row *i* of **J**_{**Y**}", min: 1, max: size.N, step: 1 },
    { name: "j", label: "column *j*", min: 1, max: size.m, step: 1 },
    { name: "value", label: "its value", min: -4, max: 4, step: 1 },
  ];
}

/** What follows from a change: indices inside the gradient, and the slider's value in J_Y or read from it. */
export function settle(state) {
  const [rows, columns] = GRADIENTS[state.of].size(sizes(state)), { i, j } = state;
  const next = { ...state, p: Math.min(state.p, rows), q: Math.min(state.q, columns), held: [i, j] };
  if (state.held[0] !== i || state.held[1] !== j) return { ...next, value: state.J_Y[i - 1][j - 1] };
  return { ...next, J_Y: state.J_Y.map((row, a) => row.map((g, b) => (a === i - 1 && b === j - 1 ? state.value : g))) };
}

function pick(state, { hit }) {
  if (hit?.name === "J_Y") return { ...state, i: hit.i + 1, j: hit.j + 1 };
  return hit && { ...state, of: hit.name.slice(2), p: hit.i + 1, q: hit.j + 1 };
}

export const figure = { controls, view, pick, settle };
export default show(figure);
