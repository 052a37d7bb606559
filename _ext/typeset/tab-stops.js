// A box that fits its contents needs no stop of the Tab key; one that scrolls sideways does. What is far from the window
// is not laid out, and is asked when it is.
const boxes = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
  }
});
// A formula further down is drawn when it comes near: its font is there by then, so that no line moves.
if (document.querySelector("math")) document.fonts.load('1em "Book Math"');
document.fonts.ready.then(() => {
  const scrolling = ".math-scroll, pre, .mc-report, .pst-scrollable-table-container, .cell_output > .output";
  for (const box of document.querySelectorAll(scrolling)) boxes.observe(box);
});
