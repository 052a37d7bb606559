/* The search field and, on narrow windows, the two sidebars open in dialogs; a click beside a dialog closes it. */
const closeBeside = (dialog) =>
  dialog.addEventListener("click", ({ clientX: x, clientY: y }) => {
    const { left, right, top, bottom } = dialog.getBoundingClientRect();
    if ((x || y) && (x < left || x > right || y < top || y > bottom)) dialog.close();
  });

const search = document.getElementById("pst-search-dialog");
if (search) {
  const own = document.querySelector(":not(#pst-search-dialog) > form.bd-search input"); // the page of the search has one
  const toggle = () => (own ? own.focus() : search.open ? search.close() : search.showModal());
  const mac = navigator.platform.startsWith("Mac") || navigator.platform === "iPhone";
  if (mac) for (const key of document.querySelectorAll(".search-button__kbd-shortcut kbd:first-child")) key.textContent = "⌘";
  for (const button of document.querySelectorAll(".search-button__button")) button.addEventListener("click", toggle);
  addEventListener("keydown", (event) => {
    const held = mac ? event.metaKey && !event.ctrlKey : event.ctrlKey && !event.metaKey;
    if (!held || event.shiftKey || event.altKey || event.key.toLowerCase() !== "k") return;
    event.preventDefault();
    toggle();
  });
  closeBeside(search);
}

const move = (from, to) => {
  to.append(...from.childNodes);
  to.classList.add(...from.classList);
  from.className = "";
};
for (const side of ["primary", "secondary"]) {
  const button = document.querySelector(`.${side}-toggle`);
  const sidebar = document.getElementById(`pst-${side}-sidebar`);
  const dialog = document.getElementById(`pst-${side}-sidebar-modal`);
  if (!button || !sidebar || !dialog) continue;
  button.addEventListener("click", () => {
    if (side === "primary" && matchMedia("(min-width: 992px)").matches) {
      sidebar.classList.toggle("pst-sidebar-hidden");
      return;
    }
    move(sidebar, dialog);
    dialog.showModal();
  });
  dialog.addEventListener("close", () => move(dialog, sidebar));
  // A link within the page leads to what the dialog covers.
  dialog.addEventListener("click", (event) => event.target.closest('a[href^="#"]') && dialog.close());
  closeBeside(dialog);
}
