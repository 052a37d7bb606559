// Typesets one formula a line: {tex, display} comes in as JSON, {mathml} or {error} goes out.
const temml = require("temml");

const options = {
  throwOnError: true,
  strict: true,
  // Temml would print an untrusted command in red and say nothing.
  trust: ({ command }) => {
    throw new Error(`${command} is not allowed in the book`);
  },
};

// Pages may not style an element by an attribute: these are the styles that Temml writes so, and the classes instead.
const CLASSES = {
  "display:block math;": "", // .tml-display says it
  "math-depth:0;": "tml-full-size",
  "padding-left:0em;padding-right:0em;": "tml-tight",
  "padding-left:0em;padding-right:5.9776pt;": "tml-first",
  "padding-left:5.9776pt;padding-right:0em;": "tml-last",
  "padding-left:5.9776pt;padding-right:5.9776pt;": "tml-inner",
  "padding-left:1em;padding-right:0em;": "tml-condition",
  "padding-left:0em;padding-right:1em;": "tml-beside",
};

// Firefox would draw these larger in a display, as it does sums; whoever wants that writes \bigodot, another character.
const small = (mathml) => mathml.replace(/<mo>(?=[⊕⊗⊙]\uFE0E?<\/mo>)/g, '<mo largeop="false">');

const LONG = 24; // characters of a formula in the text that a phone may have to break

function typeset({ tex, display }) {
  try {
    const render = (wrap) => temml.renderToString(tex, { ...options, displayMode: display, wrap });
    let mathml = render("none");
    if (!display && mathml.replace(/<[^>]*>|&\w+;/g, "").length > LONG) mathml = render("tex");
    return { mathml: annotated(rooted(signed(small(classed(mathml)))), tex) };
  } catch (error) {
    const rest = error.position === undefined ? "" : tex.slice(error.position, error.position + 25);
    return { error: error.message.split(/ at (?:position|end)/)[0].trim() + (rest && ` at “${rest}”`) };
  }
}

function classed(mathml) {
  return mathml.replace(/<(\w+)([^>]*?) style="([^"]*)"/g, (_, tag, others, style) => {
    const name = CLASSES[style];
    if (name === undefined) throw new Error(`the pages allow no style of its own, and this formula needs “${style}”`);
    if (!name) return `<${tag}${others}`;
    return others.includes(' class="') ? `<${tag}${others.replace(' class="', `$&${name} `)}` : `<${tag}${others} class="${name}"`;
  });
}

// A minus behind a comma is a sign, also where a thin space stands between them; without the word it is spaced as a difference.
const signed = (mathml) => mathml.replace(/(<mo separator="true">,<\/mo><mspace[^>]*><\/mspace>)<mo>−<\/mo>/g, '$1<mo form="prefix">−</mo>');

// The sign of a root is as high as a tall letter: over a low one Chromium lets it hang below the line.
const rooted = (mathml) => mathml.replaceAll("<msqrt>", '<msqrt><mspace height="0.75em" depth="0.15em"></mspace>');

// Every formula carries its TeX, for those who copy it. One that may break is a row of rows; none breaks between a
// function and its argument.
function annotated(mathml, tex) {
  const [, head, body] = /^(<math[^>]*>)([^]*)<\/math>$/.exec(mathml.replaceAll("<mo>\u2061</mo></mrow><mrow>", "<mo>\u2061</mo>"));
  const rows = (body.match(/<(\/?)\w+[^>]*?>/g) ?? []).reduce(
    ([depth, count], tag) => (tag[1] === "/" ? [depth - 1, count] : [depth + 1, count + (depth === 0)]),
    [0, 0],
  )[1];
  const row = rows === 1 ? body : `<mrow class="tml-breaks">${body}</mrow>`;
  const source = tex.replace(/&/g, "&amp;").replace(/</g, "&lt;");
  return `${head}<semantics>${row}<annotation encoding="application/x-tex">${source}</annotation></semantics></math>`;
}

require("node:readline")
  .createInterface({ input: process.stdin })
  .on("line", (line) => process.stdout.write(JSON.stringify(typeset(JSON.parse(line))) + "\n"));
