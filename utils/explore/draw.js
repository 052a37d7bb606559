// What the explorable figures share: strings of SVG and HTML in the book's colours, and the life of a figure.
//
// A figure is a set of pure functions of its state, so that the build can draw it without a browser:
//   controls(state)  [{name, label, min, max, step} | {name, label, options: [[value, words], …]}]
//   view(state)      {svg, label, says}: the picture, the same in words, and a line of HTML below the controls
//   pick(state, at)  the state after the reader has pressed or dragged at a point of the picture, or nothing;
//                    at = {x, y, hit, begins}: in the picture's units, the entry that is there, whether this is the press
// `show` makes an anywidget of it (https://anywidget.dev/en/afm/), which the site's pages run without a kernel.

// The meaning of each colour is that of utils/theme.py, and the site and JupyterLab give them their values.
const LIGHT = {
  input: "#0b5a9e",
  weight: "#b25408",
  output: "#047a5f",
  gradient: "#ad2c8c",
  wrong: "#c8102e",
  faint: "#6b7280",
  paper: "#ffffff",
};
export const colour = (kind) => (kind === "ink" ? "currentColor" : `var(--mc-${kind},${LIGHT[kind]})`);

// --- text ------------------------------------------------------------------------------------------------------------

export const escape = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const short = (value) => String(Math.round(value * 100) / 100 + 0); // coordinates

/** A number as it is printed in the book: a true minus sign, no negative zero. */
export function number(value, digits = 2) {
  const text = (Math.abs(value) < 0.5 * 10 ** -digits ? 0 : value).toFixed(digits);
  return text.replace("-", "−");
}
export const tuple = (values, digits) => `(${values.map((value) => number(value, digits)).join(", ")})`;

// A little markup for symbols: **bold**, *italic*, _{below}, ^{above}.
const MARKS = /\*\*(.+?)\*\*|\*(.+?)\*|_\{(.*?)\}|\^\{(.*?)\}/g;
const mark = (text, make) => text.replace(MARKS, (_, ...found) => {
  const kind = found.findIndex((part, k) => k < 4 && part !== undefined);
  return make[kind](mark(found[kind], make));
});
const rich = (text, make) => mark(escape(text), make);
/** Symbols in HTML. */
export const html = (text) =>
  rich(text, [(s) => `<b>${s}</b>`, (s) => `<i>${s}</i>`, (s) => `<sub>${s}</sub>`, (s) => `<sup>${s}</sup>`]);
/** Words or numbers in the colour of what they are, for the line below the controls. */
export const tint = (kind, inside) => `<span class="mc-${kind}">${inside}</span>`;
/** Parts of that line, which break between themselves only. */
export const terms = (...parts) => parts.filter(Boolean).map((part) => `<span class="mc-term">${part}</span>`).join(" ");
/** Symbols in words: what a screen reader says. */
export const plain = (text) =>
  text.replace(MARKS, (_, b, i, below, above) => b ?? i ?? (below !== undefined ? ` ${plain(below)}` : above === "⊤" ? " transposed" : ` ${above}`));

const shift = (dy) => (s) => `<tspan dy="${dy}" font-size="0.8em">${s}</tspan><tspan dy="${-dy}">&#8203;</tspan>`;
/** Symbols in the picture, at a point; `anchor` is start, middle or end. */
export function write(x, y, text, { kind = "ink", size = 15, anchor = "middle", bold = false } = {}) {
  const inside = rich(text, [
    (s) => `<tspan font-weight="bold">${s}</tspan>`,
    (s) => `<tspan font-style="italic">${s}</tspan>`,
    shift(4),
    shift(-6),
  ]);
  return `<text x="${short(x)}" y="${short(y)}" text-anchor="${anchor}" dominant-baseline="central" font-size="${size}"` +
    `${bold ? ' font-weight="bold"' : ""} fill="${colour(kind)}" stroke="none">${inside}</text>`;
}

// --- shapes ----------------------------------------------------------------------------------------------------------

/** A picture of these sizes; the words are what it shows just now. */
export const picture = (width, height, label, ...parts) =>
  `<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="${escape(label)}" viewBox="0 0 ${width} ${height}" ` +
  `width="${width}" height="${height}" fill="none" stroke-linejoin="round" stroke-linecap="round">${parts.flat(Infinity).join("")}</svg>`;

export const line = (x1, y1, x2, y2, { kind = "ink", width = 1.5, dash } = {}) =>
  `<path d="M${short(x1)} ${short(y1)}L${short(x2)} ${short(y2)}" stroke="${colour(kind)}" stroke-width="${width}"` +
  `${dash ? ` stroke-dasharray="${dash}"` : ""}/>`;

export const curve = (points, { kind = "faint", width = 1.5, dash } = {}) =>
  `<path d="M${points.map(([x, y]) => `${short(x)} ${short(y)}`).join("L")}" stroke="${colour(kind)}" ` +
  `stroke-width="${width}"${dash ? ` stroke-dasharray="${dash}"` : ""}/>`;

export const dot = (x, y, radius, { kind = "ink", ring } = {}) =>
  `<circle cx="${short(x)}" cy="${short(y)}" r="${radius}" fill="${colour(kind)}"` +
  `${ring ? ` stroke="${colour(kind)}" stroke-opacity="0.25" stroke-width="${ring}"` : ""}/>`;

/** A point to take hold of, with room for a finger around it: elsewhere a finger scrolls the page. */
export const handle = (x, y, { kind = "ink", radius = 7 } = {}) =>
  `<g class="mc-handle">${dot(x, y, radius, { kind, ring: 14 })}<circle cx="${short(x)}" cy="${short(y)}" r="26" fill="#fff" fill-opacity="0"/></g>`;

/** An arrow; one shorter than its head is only a dot. */
export function arrow(x1, y1, x2, y2, { kind = "ink", width = 2.5, dash } = {}) {
  const [dx, dy] = [x2 - x1, y2 - y1], length = Math.hypot(dx, dy), head = 5 + 2 * width;
  if (length < 1) return dot(x1, y1, width, { kind });
  const [ux, uy] = [dx / length, dy / length], back = Math.min(head, length);
  const [bx, by] = [x2 - ux * back, y2 - uy * back], side = back * 0.42;
  const points = [[x2, y2], [bx - uy * side, by + ux * side], [bx + uy * side, by - ux * side]];
  return line(x1, y1, bx, by, { kind, width, dash }) +
    `<path d="M${points.map((p) => p.map(short).join(" ")).join("L")}Z" fill="${colour(kind)}"/>`;
}

/**
 * A grid of entries with its top left corner at a point.
 *
 * rows: words of each entry, row by row; kind: whose colour it has, for all or as a function (i, j) → kind
 * lit: entries that stand out, as a function (i, j) → kind or nothing; shade: how strongly an entry is filled, (i, j) → 0 … 1
 * lean: how far each column stands higher than the one before, for a page seen from the side
 * name: what `hit` says when the reader presses an entry
 */
export function grid(x, y, rows, options = {}) {
  const { kind = "ink", cell = 40, height = cell, lean = 0, size = 14, lit = () => undefined, shade = () => 0, title, name } = options;
  const parts = rows.map((row, i) => row.map((words, j) => {
    const [left, top, glow] = [x + j * cell, y + i * height - j * lean, lit(i, j)];
    const own = typeof kind === "function" ? kind(i, j) : kind, fill = Math.max(glow ? 0.22 : 0, shade(i, j));
    return `<g${name ? ` data-hit="${name} ${i} ${j}"` : ""}><path d="M${short(left)} ${short(top)}l${short(cell)} ${short(-lean)}v${short(height)}` +
      `l${short(-cell)} ${short(lean)}z" fill="${colour(fill ? (glow ?? own) : "paper")}" ` +
      `fill-opacity="${fill || 0.01}" stroke="${colour(glow ?? "faint")}" stroke-width="${glow ? 2 : 0.75}"/>` +
      `${words === "" ? "" : write(left + cell / 2, top + (height - lean) / 2, words, { kind: glow ?? own, size, bold: Boolean(glow) })}</g>`;
  }));
  // What stands out is drawn last, so that its edge is whole.
  const order = rows.flatMap((row, i) => row.map((_, j) => [Boolean(lit(i, j)), parts[i][j]]));
  return order.filter(([on]) => !on).concat(order.filter(([on]) => on)).map(([, part]) => part).join("") +
    (title ? write(x + (rows[0].length * cell) / 2, y - 14, title, { kind: typeof kind === "function" ? "ink" : kind }) : "");
}

/**
 * A tensor as pages that stand one behind the other, `apart` from each other: the options of `grid` with the page as first index.
 *
 * through: an entry [j, k] through which a line goes on all pages; chosen: the page with a strong edge
 * name: what `hit` says, with the number of the page at its end
 */
export function stack(x, y, sheets, options) {
  const { apart, cell, height, lean, size, through, chosen, kind, lit, shade, name } = options;
  const [m, n] = [sheets[0].length, sheets[0][0].length];
  return sheets.map((rows, page) => {
    const left = x + page * apart, [right, foot, back] = [left + n * cell, y + m * height, n * lean];
    const edge = [[left, y], [right, y - back], [right, foot - back], [left, foot], [left, y]];
    // The line leaves a page in front of its later columns, and comes in behind the earlier ones of the next.
    const [j, k] = through ?? [], [start, at] = [left - apart + (k + 1) * cell + 2, y + (j + 0.5) * height - (k + 0.5) * lean];
    return [
      through && page ? line(start, at, start + apart - cell / 2, at, { kind: "gradient", width: 2.5, dash: "1 5" }) : "",
      `<path d="M${edge.map((point) => point.map(short).join(" ")).join("L")}" fill="${colour("paper")}"/>`,
      grid(left, y, rows, {
        cell, height, lean, size, name: `${name}${page}`,
        kind: (j, k) => kind(page, j, k), lit: (j, k) => lit(page, j, k), shade: (j, k) => shade?.(page, j, k) ?? 0 }),
      curve(edge, page === chosen ? { kind: "gradient", width: 3 } : { width: 1.25 }),
    ];
  }).flat();
}

// --- controls --------------------------------------------------------------------------------------------------------

const value = (control, state) => state[control.name];

function control(item, state, id) {
  if (item.options)
    return `<fieldset><legend>${html(item.label)}</legend>` + item.options.map(([option, words]) =>
      `<label><input type="radio" name="${id}-${item.name}" data-name="${item.name}" value="${escape(option)}"` +
      `${String(option) === String(value(item, state)) ? " checked" : ""}> <span>${html(words)}</span></label>`).join("") + "</fieldset>";
  const now = value(item, state); // no `name`: a site's search empties every field that is named q
  return `<label class="mc-slider"><span>${html(item.label)}</span> <input type="range" data-name="${item.name}" ` +
    `min="${item.min}" max="${item.max}" step="${item.step}" value="${now}" aria-label="${escape(plain(item.label))}" ` +
    `aria-valuetext="${escape(told(item, now))}"> <span class="mc-value" aria-hidden="true">${told(item, now)}</span></label>`;
}
const told = (item, now) => item.words?.(now) ?? number(now, Number.isInteger(item.step) ? 0 : 2);

/** All of a figure as HTML: what the page holds before, and without, any script. */
export function markup(figure, state, id) {
  const { svg, says } = figure.view(state);
  return `<div class="mc-explore-picture">${svg}</div>` +
    `<form class="mc-explore-controls">${figure.controls(state).map((item) => control(item, state, id)).join("")}</form>` +
    `<p class="mc-explore-says">${says}</p><p class="mc-explore-heard" role="status"></p>`;
}

// --- life ------------------------------------------------------------------------------------------------------------

let made = 0;

/** The anywidget of a figure. The model holds one value, the state. */
export const show = (figure) => ({
  render({ model, el }) {
    const id = `explore-${(made += 1)}`, box = (part) => el.querySelector(`.mc-explore-${part}`);
    el.classList.add("mc-explore");
    if (!box("picture")) el.innerHTML = markup(figure, model.get("state"), id); // in a page it stands there already
    const state = () => model.get("state");
    let frame = 0, pause = 0, shape = JSON.stringify(figure.controls(state()).map(({ name, min, max, options }) => [name, min, max, options]));

    function draw() {
      frame = 0;
      const { svg, label, says } = figure.view(state()), controls = figure.controls(state());
      box("picture").innerHTML = svg;
      box("says").innerHTML = says;
      const now = JSON.stringify(controls.map(({ name, min, max, options }) => [name, min, max, options]));
      if (now !== shape) renew(controls, now);
      for (const item of controls)
        for (const input of box("controls").querySelectorAll(`[data-name="${item.name}"]`)) {
          if (input.type === "radio") input.checked = input.value === String(value(item, state()));
          else {
            if (input !== document.activeElement || Number(input.value) !== value(item, state())) input.value = value(item, state());
            input.setAttribute("aria-valuetext", told(item, value(item, state())));
            input.nextElementSibling.textContent = told(item, value(item, state()));
          }
        }
      // Those who hear the page are told when the figure comes to rest, not at every step.
      clearTimeout(pause);
      pause = setTimeout(() => (box("heard").textContent = label), 400);
    }
    function renew(controls, now) {
      // Another range of a slider, say: the control that has the focus keeps it.
      const focused = box("controls").contains(document.activeElement) && document.activeElement;
      box("controls").innerHTML = controls.map((item) => control(item, state(), id)).join("");
      shape = now;
      if (focused) box("controls").querySelector(`[data-name="${focused.dataset.name}"]${focused.type === "radio" ? ":checked" : ""}`)?.focus();
    }
    function become(next) {
      if (!next) return;
      model.set("state", figure.settle ? figure.settle(next) : next);
      model.save_changes();
      frame ||= requestAnimationFrame(draw);
    }

    const input = ({ target }) =>
      target.dataset.name &&
      become({ ...state(), [target.dataset.name]: target.type === "range" || target.dataset.number ? Number(target.value) : target.value });
    box("controls").addEventListener("input", input);
    box("controls").addEventListener("submit", (event) => event.preventDefault());

    let held = false;
    function point(event) {
      const svg = box("picture").firstElementChild, at = svg.getBoundingClientRect(), [, , width, height] = svg.getAttribute("viewBox").split(" ");
      const hit = document.elementFromPoint(event.clientX, event.clientY)?.closest("[data-hit]")?.dataset.hit.split(" ");
      return {
        x: ((event.clientX - at.left) / at.width) * width,
        y: ((event.clientY - at.top) / at.height) * height,
        hit: hit && { name: hit[0], i: Number(hit[1]), j: Number(hit[2]) },
        begins: event.type !== "pointermove",
      };
    }
    const holder = box("picture");
    holder.addEventListener("pointerdown", (event) => {
      // A finger may be about to scroll the page, unless it takes hold of something; it presses by `click`.
      if (event.pointerType === "touch" && !event.target.closest(".mc-handle")) return;
      const next = figure.pick?.(state(), point(event));
      if (!next) return;
      held = true;
      holder.setPointerCapture(event.pointerId);
      event.preventDefault();
      become(next);
    });
    // Browsers do not heed touch-action on parts of a drawing.
    holder.addEventListener("touchstart", (event) => event.target.closest(".mc-handle") && event.preventDefault(), { passive: false });
    holder.addEventListener("click", (event) => event.pointerType === "touch" && become(figure.pick?.(state(), point(event))));
    holder.addEventListener("pointermove", (event) => held && become(figure.pick(state(), point(event))));
    for (const end of ["pointerup", "pointercancel"]) holder.addEventListener(end, () => (held = false));

    const changed = () => (frame ||= requestAnimationFrame(draw)); // by the kernel, or by another view of the same figure
    model.on("change:state", changed);
    return () => {
      model.off("change:state", changed);
      cancelAnimationFrame(frame);
      clearTimeout(pause);
    };
  },
});
