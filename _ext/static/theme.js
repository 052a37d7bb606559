/* The button of the theme goes from "as the system has it" to the other theme, to the system's own, and back. */
const root = document.documentElement;
const dark = matchMedia("(prefers-color-scheme: dark)");
const show = (mode) => {
  root.dataset.mode = mode;
  root.dataset.theme = mode === "auto" ? (dark.matches ? "dark" : "light") : mode;
};
dark.addEventListener("change", () => show(root.dataset.mode));
for (const button of document.querySelectorAll(".theme-switch-button")) {
  button.addEventListener("click", () => {
    const modes = dark.matches ? ["auto", "light", "dark"] : ["auto", "dark", "light"];
    show(modes[(modes.indexOf(root.dataset.mode) + 1) % 3]);
    localStorage.setItem("mode", root.dataset.mode);
    localStorage.setItem("theme", root.dataset.theme);
  });
}
