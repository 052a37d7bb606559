// D = WX: which of eight products is the gradient by W? Shapes judge some of them, a difference quotient all.
import { curve, grid, html, number, picture, plain, show, terms, tint, write } from "./draw.js";

export const NUDGE = 0.1;
const WIDTH = 452, EDGE = 4, CELL = 35, HIGH = 36, PLACES = { W: 4, X: 139, J_D: 308 };
const TILE = [111, 46], TILES = 158, TABLE = 292, BESIDE = [148, 36];
const UPSTREAM = "**J**_{**D**}", KINDS = { W: "weight", X: "input", J_D: "gradient" };
const whole = (value) => number(value, 0);
const tenth = (value) => number(value, Math.abs(value - Math.round(value)) < 1e-9 ? 0 : 1);

const turn = (M) => M[0].map((_, j) => M.map((row) => row[j]));
const multiply = (A, B) => A.map((row) => B[0].map((_, j) => row.reduce((sum, a, k) => sum + a * B[k][j], 0)));
const mirror = (M) => M.map((row, i) => row.map((_, j) => M[Math.min(i, j)][Math.max(i, j)]));
const cut = (M, rows, columns) => M.slice(0, rows).map((row) => row.slice(0, columns));

// The eight: each factor as it is or transposed, in both orders.
const PRODUCTS = ["JXt", "JX", "JtXt", "JtX", "XtJ", "XJ", "XtJt", "XJt"].map((id) => {
  const factors = id.match(/[JX]t?/g);
  const words = factors.map((one) => (one[0] === "J" ? UPSTREAM : "**X**") + (one[1] ? "^{⊤}" : "")).join("");
  const heard = factors.map((one) => (one[0] === "J" ? "J D" : "X") + (one[1] ? " transposed" : "")).join(" times ");
  return { id, words, heard, of: (X, J) => factors.map((one) => ((M) => (one[1] ? turn(M) : M))(one[0] === "J" ? J : X)) };
});

// What the reader multiplies: three columns of X and J_D, square like W, as they are or made special; or sizes that differ.
const square = ({ W, X, J_D }) => ({ W, X: cut(X, 3, 3), J_D: cut(J_D, 3, 3) });
const INPUTS = {
  square: ["all 3 × 3", square],
  symmetric: ["**X** symmetric", (state) => ((found) => ({ ...found, X: mirror(found.X) }))(square(state))],
  ones: [`${UPSTREAM} all ones`, (state) => ((found) => ({ ...found, J_D: found.J_D.map((row) => row.map(() => 1)) }))(square(state))],
  both: [`**X** and ${UPSTREAM} symmetric`, (state) => ((found) => ({ ...found, X: mirror(found.X), J_D: mirror(found.J_D) }))(square(state))],
  narrow: ["**X** 3 × 2", ({ W, X, J_D }) => ({ W, X: cut(X, 3, 2), J_D: cut(J_D, 3, 2) })],
  differ: ["**W** 2 × 3, **X** 3 × 4", ({ W, X, J_D }) => ({ W: cut(W, 2, 3), X, J_D: cut(J_D, 2, 4) })],
};

const loss = (W, X, J) => multiply(W, X).reduce((sum, row, i) => sum + row.reduce((part, y, j) => part + J[i][j] * y, 0), 0);
const nudged = (W, p, q) => W.map((row, i) => row.map((w, j) => (i === p && j === q ? w + NUDGE : w)));
export const agree = (claimed, measured) => Math.abs(claimed - measured) < 1e-9 * (1 + Math.abs(measured));

/** Every number that the figure shows. */
export function numbers(state) {
  const { W, X, J_D } = INPUTS[state.inputs][1](state), before = loss(W, X, J_D);
  const after = W.map((row, p) => row.map((_, q) => loss(nudged(W, p, q), X, J_D)));
  const quotient = after.map((row) => row.map((value) => (value - before) / NUDGE));
  const products = PRODUCTS.map(({ of }) => {
    const [A, B] = of(X, J_D);
    if (A[0].length !== B.length) return { shape: null, fits: false, right: 0 };
    const claim = multiply(A, B), shape = [claim.length, claim[0].length], fits = shape[0] === W.length && shape[1] === W[0].length;
    const right = fits ? claim.flat().filter((value, k) => agree(value, quotient.flat()[k])).length : 0;
    return { shape, fits, right, claim };
  });
  const lives = ({ fits, right }) => fits && right === quotient.flat().length;
  return { W, X, J_D, before, after, quotient, products: products.map((found) => ({ ...found, lives: lives(found) })) };
}

const frame = (x, y, width, height, options) => curve([[x, y], [x + width, y], [x + width, y + height], [x, y + height], [x, y]], options);
const size = ([rows, columns]) => `${rows} × ${columns}`;
const fate = ({ shape, fits, right, lives }, entries) =>
  (!shape ? "no product ✗" : !fits ? `${size(shape)} ✗` : `${right} of ${entries} ${lives ? "✓" : "✗"}`);

export function view(state) {
  const found = numbers(state), { W, X, J_D, quotient, products } = found, { p, q } = state;
  const chosen = PRODUCTS.findIndex(({ id }) => id === state.product), { words, heard } = PRODUCTS[chosen], { claim, shape, fits, lives } = products[chosen];
  const entries = quotient.flat().length, measured = quotient[p - 1][q - 1], fit = products.filter((one) => one.fits).length;
  const alive = products.filter((one) => one.lives).length, good = fits && agree(claim[p - 1][q - 1], measured);
  const kind = lives ? "gradient" : "wrong";

  const given = Object.entries({ W, X, J_D }).map(([name, M]) => [
    grid(PLACES[name], 28, M.map((row, i) => row.map((value, j) => (name === "W" && i === p - 1 && j === q - 1 ? number(value + NUDGE, 1) : whole(value)))), {
      cell: CELL, height: HIGH, size: 14, name: name === "W" ? "W" : undefined, kind: (i, j) => (M[i][j] ? KINDS[name] : "faint"),
      lit: (i, j) => (name === "W" && i === p - 1 && j === q - 1 ? "weight" : undefined) }),
    write(PLACES[name] + (M[0].length * CELL) / 2, 14, `${name === "J_D" ? UPSTREAM : `**${name}**`}, ${size([M.length, M[0].length])}`, { kind: KINDS[name], size: 14 }),
  ]);
  const tiles = products.map((one, k) => {
    const [x, y] = [EDGE + (k % 4) * TILE[0] + TILE[0] / 2, TILES + Math.floor(k / 4) * TILE[1]];
    const colour = one.lives ? "gradient" : one.fits ? "wrong" : "faint";
    return [write(x, y + 14, PRODUCTS[k].words, { kind: colour, size: 15 }), write(x, y + 34, fate(one, entries), { kind: colour, size: 14, bold: one.lives })];
  });
  const beside = fits ? quotient.map((row, i) => row.map((slope, j) => {
    const [x, y] = [EDGE + j * BESIDE[0], TABLE + i * BESIDE[1]], right = agree(claim[i][j], slope), level = y + BESIDE[1] / 2;
    const here = i === p - 1 && j === q - 1;
    return [
      right ? "" : frame(x + 3, y + 3, BESIDE[0] - 6, BESIDE[1] - 6, { kind: "wrong", width: 1.5, dash: "4 4" }),
      here ? frame(x, y, ...BESIDE, { kind: "ink", width: 2.5 }) : "",
      write(x + 52, level, whole(claim[i][j]), { kind: right ? "gradient" : "wrong", anchor: "end", bold: here }),
      write(x + 66, level, right ? "=" : "≠", { kind: right ? "ink" : "wrong" }),
      write(x + 80, level, whole(slope), { kind: "output", anchor: "start", bold: here }),
      write(x + 130, level, right ? "✓" : "✗", { kind: right ? "gradient" : "wrong" }),
    ];
  })) : [
    frame(EDGE, TABLE, 4 * TILE[0], 3 * BESIDE[1], { kind: "wrong", dash: "6 5" }),
    write(WIDTH / 2, TABLE + 36, shape ? `${words} is ${size(shape)}, **W** is ${size([W.length, W[0].length])} ✗` : `${words} does not exist ✗`, { kind: "wrong" }),
    write(WIDTH / 2, TABLE + 64, "The shapes are enough: no number is needed.", { kind: "wrong", size: 14 }),
  ];
  const counted = `${fit} of the 8 products ${fit === 1 ? "has" : "have"} the shape of **W**, ${alive} ${alive === 1 ? "agrees" : "agree"} everywhere.`;
  const verdict = fits ? `${heard} claims ${whole(claim[p - 1][q - 1])}, which ${good ? "agrees" : "differs"}; ${products[chosen].right} of its ${entries} entries agree`
    : `${heard} ${shape ? `is ${size(shape)}, not the shape of W` : "does not exist"}`;
  const spoken = `${plain(INPUTS[state.inputs][0])}. The entry ${p}, ${q} of W is nudged by ${NUDGE}: L goes from ${tenth(found.before)} to ` +
    `${tenth(found.after[p - 1][q - 1])}, the difference quotient is ${whole(measured)}. ${verdict}. ${plain(counted)}`;
  return {
    label: spoken,
    svg: picture(WIDTH, TABLE + 3 * BESIDE[1] + EDGE, spoken,
      given,
      grid(EDGE, TILES, [0, 1].map(() => Array(4).fill("")), { cell: TILE[0], height: TILE[1], name: "product",
        lit: (i, j) => (4 * i + j === chosen ? (fits ? kind : "faint") : undefined) }),
      fits ? grid(EDGE, TABLE, quotient.map((row) => row.map(() => "")), { cell: BESIDE[0], height: BESIDE[1], name: "entry" }) : "",
      '<g pointer-events="none">', // what is pressed is the entry below
      tiles, beside,
      fits ? write(EDGE, TABLE - 16, `Claimed by ${words}`, { kind, anchor: "start" }) : "",
      fits ? write(WIDTH - EDGE, TABLE - 16, "measured, Δ*L* / *h*", { kind: "output", anchor: "end" }) : "",
      "</g>"),
    says: terms(
      `${html(`*w*_{${p}${q}}`)} + ${NUDGE}: ${html("*L*")} goes from ${tenth(found.before)} to ${tenth(found.after[p - 1][q - 1])},`,
      `${html("Δ*L* / *h*")} = ${tint("output", whole(measured))}.`,
      fits ? tint(good ? "gradient" : "wrong", `${html(words)} claims ${whole(claim[p - 1][q - 1])} ${good ? "✓" : "✗"}`)
        : tint("wrong", `${html(words)} ${shape ? `is ${size(shape)}` : "does not exist"} ✗`),
      html(counted)),
  };
}

function controls(state) {
  const { W } = INPUTS[state.inputs][1](state);
  return [
    { name: "inputs", label: "Matrices", options: Object.entries(INPUTS).map(([id, [words]]) => [id, words]) },
    { name: "product", label: "Claim", options: PRODUCTS.map(({ id, words }) => [id, words]) },
    { name: "p", label: "row *p* of **W**", min: 1, max: W.length, step: 1 },
    { name: "q", label: "column *q*", min: 1, max: W[0].length, step: 1 },
  ];
}

const settle = (state) => ({ ...state, p: Math.min(state.p, INPUTS[state.inputs][1](state).W.length) });
function pick(state, { hit }) {
  if (hit?.name === "product") return { ...state, product: PRODUCTS[4 * hit.i + hit.j].id };
  return hit && { ...state, p: hit.i + 1, q: hit.j + 1 };
}

export const figure = { controls, view, pick, settle };
export default show(figure);
