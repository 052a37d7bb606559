/* On paper a page is light, and what a reader could fold out is open; afterwards all is as it was. */
(() => {
  const root = document.documentElement;
  let theme, opened;
  addEventListener("beforeprint", () => {
    theme = root.dataset.theme;
    root.dataset.theme = "light";
    root.style.setProperty("--mc-running", JSON.stringify(document.title.split(" — ")[0]));
    opened = [...document.querySelectorAll("article details:not([open], .hide)")];
    opened.forEach((details) => (details.open = true));
  });
  addEventListener("afterprint", () => {
    root.dataset.theme = theme;
    opened.forEach((details) => (details.open = false));
  });
})();
