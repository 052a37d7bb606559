/* Which of two conventions the reader has chosen comes first, here and on the next page. Runs before the page is drawn. */
(() => {
  const root = document.documentElement;
  const stored = (kind) => {
    try {
      return localStorage.getItem(`convention-${kind}`);
    } catch {
      return null; // a browser may refuse to remember
    }
  };
  const chosen = { layout: stored("layout"), order: stored("order") };
  root.dataset.conventions = chosen.layout || chosen.order ? "waiting" : "ready";

  // A half is a row, a cell, or a table in its scrolling box.
  const box = (half) => (half.tagName === "TABLE" ? half.parentElement : half);
  const isHalf = (element, name) => element?.matches(`.${name}, :has(> table.${name})`);
  const putFirst = (first, second) => {
    for (const half of document.querySelectorAll(`.${second}`)) {
      const late = box(half);
      if (isHalf(late.nextElementSibling, first)) late.nextElementSibling.after(late);
    }
  };

  addEventListener("DOMContentLoaded", () => {
    for (const radios of document.querySelectorAll(".mc-conventions fieldset")) {
      const [one, other] = radios.querySelectorAll("input");
      const order = () => putFirst(...(other.checked ? [other.value, one.value] : [one.value, other.value]));
      other.checked = chosen[other.name] === other.value; // a reload would keep what was checked
      one.checked = !other.checked;
      order();
      radios.addEventListener("change", () => {
        order();
        try {
          localStorage.setItem(`convention-${one.name}`, (other.checked ? other : one).value);
        } catch {
          // then it holds for this page
        }
      });
    }
    if (root.dataset.conventions === "ready") return;
    document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
    // What is seen in the frame in which it moves would be a shift; so it is seen from the next one on.
    requestAnimationFrame(() => requestAnimationFrame(() => (root.dataset.conventions = "ready")));
  });
})();
