/* The buttons beside a rule copy its TeX or its code, and say so to those who see and to those who listen. */
{
  const told = document.createElement("div");
  told.className = "visually-hidden";
  told.setAttribute("role", "status");
  document.body.append(told);

  // From a disk, or in an old browser, a page may have no clipboard of its own.
  const copy = async (text) => {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  };

  for (const button of document.querySelectorAll("button.mc-copy")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await copy(button.dataset.copy);
      button.classList.add("mc-done");
      told.textContent = "Copied";
      setTimeout(() => {
        button.classList.remove("mc-done");
        told.textContent = "";
      }, 2000);
    });
  }
}
