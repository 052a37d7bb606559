// A displayed formula that fits its box needs no stop of the Tab key; one that scrolls sideways does.
addEventListener("load", async () => {
  await document.fonts.ready; // the fonts decide how wide a formula is
  const observer = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
      else target.removeAttribute("tabindex");
    }
  });
  for (const box of document.querySelectorAll(".math-scroll")) observer.observe(box);
});
