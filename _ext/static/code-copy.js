/* The button on a cell copies its code: of a session only what was typed. */
addEventListener("click", async ({ target }) => {
  const button = target.closest?.(".copybtn");
  if (!button) return;
  const lines = button.parentElement.querySelector("pre").textContent.split("\n");
  const typed = lines.filter((line) => /^(>>>|\.\.\.)( |$)/.test(line)).map((line) => line.slice(4));
  await navigator.clipboard.writeText((typed.length ? typed : lines).join("\n").trimEnd());
  button.classList.add("success");
  button.setAttribute("aria-label", "Copied");
  setTimeout(() => {
    button.classList.remove("success");
    button.setAttribute("aria-label", "Copy");
  }, 2000);
});
