// Four views of the weights of y = Wx and of the slopes by them: W, its line of memory, the tensor, the flattened Jacobian.
import { colour, grid, html, line, picture, plain, show, stack, terms, tint, write } from "./draw.js";

const WIDTH = 460, LEFT = 28, MEMORY = 196, PLACES = 232, TABLE = 244, DEEP = 104; // of all rows together, if there are many
const GREATEST = 4; // number of rows, and of columns
const range = (size) => Array.from({ length: size }, (_, t) => t);
const weight = (p, q) => `*w*_{${p + 1}${q + 1}}`;
const slope = (q) => (q < 0 ? "·" : `*x*_{${q + 1}}`);

/** Where each entry stands, counted from 0; a slope is the number q of its x, or −1 where it is zero. */
export function numbers({ m, n, order, i, p, q }) {
  const places = { row: p * n + q, column: q * m + p };
  const memory = range(m * n).map((j) => (order === "row" ? [Math.floor(j / n), j % n] : [j % m, Math.floor(j / m)]));
  const tensor = range(m).map((i) => range(m).map((p) => range(n).map((q) => (i === p ? q : -1))));
  return { places, memory, tensor, jacobian: range(m).map((i) => memory.map(([p, q]) => tensor[i][p][q])), slope: i === p ? q : -1 };
}

export function view(state) {
  const { m, n, order, i, p, q } = state, byRows = order === "row", found = numbers(state), j = found.places[order];
  const beside = (row, column) => (byRows ? row === p : column === q); // lies in one block of memory with the chosen weight
  const high = Math.min(40, DEEP / m), cell = n < 4 ? 34 : 28, top = 46;
  const wide = Math.min(70, (WIDTH - LEFT - 4) / (m * n)), block = byRows ? n : m;
  const index = (bold) => ({ kind: bold ? "weight" : "faint", size: 14, bold });
  const fit = (width, enough) => (width < enough ? 14 : 15);
  const kind = (slope) => (slope < 0 ? "faint" : "gradient");

  // The tensor has the room beside W.
  const start = LEFT + n * cell + 44, room = WIDTH - 6 - start;
  const page = Math.min(cell, (room - (m - 1) * 10) / (m * n)); // wide is an entry of a page
  const lean = 0.45 * page, upper = 34 + n * lean;
  const apart = n * page + Math.max(10, Math.min(50, (room - m * n * page) / Math.max(1, m - 1)));

  const formulas = {
    row: `*j* = *p*·*n* + *q* = ${p}·${n} + ${q} = ${found.places.row}`,
    column: `*j* = *q*·*m* + *p* = ${q}·${m} + ${p} = ${found.places.column}`,
  };
  const product = byRows ? `**I**_{${m}} ⊗ **x**^{⊤}` : `**x**^{⊤} ⊗ **I**_{${m}}`;
  const other = byRows ? "column" : "row";
  const said = `W is ${m} by ${n}, flattened ${order} by ${order}. The weight w ${p + 1} ${q + 1}, p = ${p}, q = ${q}, has place ` +
    `${plain(formulas[order]).replaceAll("·", " times ")}; ${other}-major it has place ${found.places[other]}. ` +
    `The slope of y ${i + 1} by it, on page ${i + 1} of the tensor and in row i = ${i}, column j = ${j} of the Jacobian, is ` +
    (found.slope < 0 ? `0: neuron ${i + 1} does not have this weight.` : `x ${q + 1}.`);
  return {
    label: said,
    svg: picture(WIDTH, TABLE + DEEP + 32, said,
      write(LEFT + (n * cell) / 2, 16, `**W**, ${m} × ${n}`, { kind: "weight" }),
      range(m).map((row) => write(LEFT - 12, top + (row + 0.5) * high, String(row), index(row === p))),
      range(n).map((column) => write(LEFT + (column + 0.5) * cell, top - 10, String(column), index(column === q))),
      grid(LEFT, top, range(m).map((row) => range(n).map((column) => weight(row, column))), {
        kind: "weight", cell, height: high, size: fit(cell, 32), name: "weight",
        lit: (row, column) => (row === p && column === q ? "weight" : undefined),
        shade: (row, column) => (beside(row, column) ? 0.14 : 0) }),
      stack(start, upper, found.tensor.map((rows) => rows.map((row) => row.map(slope))), {
        apart, cell: page, height: high, lean, size: fit(page, 22), through: [p, q], chosen: i, name: "page",
        kind: (k, row, column) => kind(found.tensor[k][row][column]),
        lit: (k, row, column) => (row === p && column === q ? kind(found.tensor[k][row][column]) : undefined) }),
      range(m).map((k) =>
        write(start + k * apart + (n * page) / 2, 16, `∂*y*_{${k + 1}}/∂**W**`, { kind: "gradient", size: 14, bold: k === i })),
      `<rect x="${LEFT + j * wide}" y="${MEMORY}" width="${wide}" height="${TABLE + m * high - MEMORY}" ` +
        `fill="${colour("weight")}" fill-opacity="0.1"/>`,
      write(LEFT, MEMORY - 14, `memory: ${formulas[order]}`, { kind: "weight", anchor: "start" }),
      range(m * n + 1).filter((place) => place % block === 0).map((place) =>
        [[MEMORY, MEMORY + 26], [TABLE, TABLE + m * high]].map(([from, to]) => line(LEFT + place * wide, from, LEFT + place * wide, to))),
      grid(LEFT, MEMORY, [found.memory.map(([row, column]) => weight(row, column))], {
        kind: "weight", cell: wide, height: 26, size: fit(wide, 32), name: "memory",
        lit: (_, place) => (place === j ? "weight" : undefined), shade: (_, place) => (beside(...found.memory[place]) ? 0.14 : 0) }),
      range(m * n).map((place) => write(LEFT + (place + 0.5) * wide, PLACES, String(place), index(place === j))),
      range(m).map((row) =>
        write(LEFT - 14, TABLE + (row + 0.5) * high, `*y*_{${row + 1}}`, { kind: "output", size: 15, bold: row === i })),
      grid(LEFT, TABLE, found.jacobian.map((row) => row.map(slope)), {
        kind: (row, place) => kind(found.jacobian[row][place]), cell: wide, height: high, size: 15, name: "jacobian",
        lit: (row, place) => (row === i && place === j ? kind(found.jacobian[row][place]) : undefined),
        shade: (row, place) => (found.jacobian[row][place] < 0 ? 0 : 0.14) }),
      write(LEFT, TABLE + m * high + 18, `${order}-major Jacobian, ${m} × ${m * n}: ${product}`, { kind: "gradient", anchor: "start" })),
    says: terms(
      `${html(weight(p, q))}: <i>p</i> = ${p}, <i>q</i> = ${q}.`,
      `${order}-major:`, `${tint("weight", html(formulas[order]))}.`,
      tint("faint", `${other}-major:`), tint("faint", `${html(formulas[other])}.`),
      `${html(`∂*y*_{${i + 1}}/∂${weight(p, q)}`)} = ` +
        (found.slope < 0 ? `0, since neuron ${i + 1} does not have this weight.` : `${tint("gradient", html(slope(q)))}.`)),
  };
}

const controls = ({ m, n }) => [
  { name: "order", label: "Flatten by", options: [["row", "rows"], ["column", "columns"]] },
  { name: "p", label: "row *p*", min: 0, max: m - 1, step: 1 },
  { name: "q", label: "column *q*", min: 0, max: n - 1, step: 1 },
  { name: "i", label: "output *i*", min: 0, max: m - 1, step: 1 },
  { name: "m", label: "*m* rows", min: 1, max: GREATEST, step: 1 },
  { name: "n", label: "*n* columns", min: 1, max: GREATEST, step: 1 },
];

/** The state with all indices inside W. */
const settle = (state) => {
  const { m, n, i, p, q } = state;
  return { ...state, i: Math.min(i, m - 1), p: Math.min(p, m - 1), q: Math.min(q, n - 1) };
};

function pick(state, { hit }) {
  if (!hit) return undefined;
  if (hit.name.startsWith("page")) return { ...state, i: Number(hit.name.slice(4)), p: hit.i, q: hit.j };
  const [p, q] = hit.name === "weight" ? [hit.i, hit.j] : numbers(state).memory[hit.j];
  return { ...state, p, q, i: hit.name === "jacobian" ? hit.i : p }; // a weight moves the output of its own row
}

export const figure = { controls, view, pick, settle, hovers: true };
export default show(figure);
