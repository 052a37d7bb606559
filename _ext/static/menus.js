/* The buttons above the text: menus that open below them, printing, and the whole screen. */
const close = (menu) => {
  menu.classList.remove("show");
  menu.previousElementSibling.setAttribute("aria-expanded", "false");
};
addEventListener("click", ({ target }) => {
  const button = target.closest?.(".dropdown-toggle");
  for (const menu of document.querySelectorAll(".dropdown-menu.show")) {
    if (menu.previousElementSibling !== button) close(menu);
  }
  if (button) {
    const open = button.nextElementSibling.classList.toggle("show");
    button.setAttribute("aria-expanded", open);
  }
});
addEventListener("keydown", ({ key }) => {
  if (key !== "Escape") return;
  for (const menu of document.querySelectorAll(".dropdown-menu.show")) {
    if (menu.contains(document.activeElement)) menu.previousElementSibling.focus();
    close(menu);
  }
});
document.querySelector(".btn-download-pdf-button")?.addEventListener("click", () => print());
document.querySelector(".btn-fullscreen-button")?.addEventListener("click", () =>
  document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen?.());
