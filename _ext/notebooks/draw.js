// Turns drawings into pictures, one a line: {svg} comes in as JSON, {png}, in base64, or {error} goes out.
const { readFileSync } = require("node:fs");
const { initWasm, Resvg } = require("@resvg/resvg-wasm");

const fontBuffers = process.argv.slice(2).map((path) => readFileSync(path));
const options = { background: "#ffffff", fitTo: { mode: "zoom", value: 2 }, font: { fontBuffers, defaultFontFamily: "DejaVu Sans" } };

function drawn({ svg }) {
  try {
    return { png: Buffer.from(new Resvg(svg, options).render().asPng()).toString("base64") };
  } catch (error) {
    return { error: String(error.message ?? error) };
  }
}

initWasm(readFileSync(require.resolve("@resvg/resvg-wasm/index_bg.wasm"))).then(() =>
  require("node:readline")
    .createInterface({ input: process.stdin })
    .on("line", (line) => process.stdout.write(JSON.stringify(drawn(JSON.parse(line))) + "\n")),
);
