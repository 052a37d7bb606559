/* The button that opens a solution is named after it; all of them would be called "Toggle hidden content". */
addEventListener("DOMContentLoaded", () => {
  for (const button of document.querySelectorAll(".admonition-title > .toggle-button")) {
    const title = button.parentElement;
    title.id ||= `${button.id}-title`;
    button.removeAttribute("aria-label");
    button.setAttribute("aria-labelledby", title.id);
  }
});
