/* Who copies a formula gets its TeX, within dollar signs in the text and within two when it stands on its own. */
document.addEventListener("copy", (event) => {
  const selection = getSelection();
  if (selection.isCollapsed || !event.clipboardData) return;
  const range = selection.getRangeAt(0).cloneRange();
  const formula = (node) => (node.nodeType === 1 ? node : node.parentElement)?.closest("math");
  // Half a formula is no formula.
  const [first, last] = [formula(range.startContainer), formula(range.endContainer)];
  if (first) range.setStartBefore(first);
  if (last) range.setEndAfter(last);
  const copied = range.cloneContents();
  const formulas = copied.querySelectorAll("math");
  if (!formulas.length) return;
  for (const math of formulas) {
    const tex = math.querySelector("annotation").textContent.trim();
    math.replaceWith(math.classList.contains("tml-display") ? `$$${tex}$$` : `$${tex}$`);
  }
  const box = document.createElement("div");
  box.append(copied);
  event.clipboardData.setData("text/html", box.innerHTML);
  for (const block of box.querySelectorAll("p, div, li, tr, h1, h2, h3, pre, dt, dd")) block.append("\n");
  event.clipboardData.setData("text/plain", box.textContent);
  event.preventDefault();
});
