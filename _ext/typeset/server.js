// Typesets one formula a line: {tex, display} comes in as JSON, {html} or {error} goes out.
const katex = require("katex");

const options = {
  output: "htmlAndMathml",
  throwOnError: true,
  strict: "error",
  // KaTeX would print an untrusted command in red and say nothing.
  trust: ({ command }) => {
    throw new Error(`${command} is not allowed in the book`);
  },
};

function typeset({ tex, display }) {
  try {
    // The fonts have no others; KaTeX would print them plain and say nothing.
    if (/\\mathbb\s*\{?\s*[0-9a-jl-z]/.test(tex)) throw new Error("\\mathbb is for capitals: write \\mathbf");
    return { html: katex.renderToString(tex, { ...options, displayMode: display }) };
  } catch (error) {
    const rest = error.position === undefined ? "" : tex.slice(error.position, error.position + 25);
    return { error: (error.rawMessage ?? error.message) + (rest && ` at “${rest}”`) };
  }
}

require("node:readline")
  .createInterface({ input: process.stdin })
  .on("line", (line) => process.stdout.write(JSON.stringify(typeset(JSON.parse(line))) + "\n"));
