/* Light or dark before anything is shown, as on the pages; and on paper the deck, or the handout with its notes. */
(() => {
  const root = document.documentElement;
  root.dataset.mode = localStorage.getItem("mode") || "auto";
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = root.dataset.mode === "auto" ? (dark ? "dark" : "light") : root.dataset.mode;
  if (location.search === "?handout") root.classList.add("handout");
  if (location.search === "?peek") root.classList.add("peek");
})();
