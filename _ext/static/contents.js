/* The contents beside the text mark the section that is being read, and make room for what stands in the margin. */
const links = new Map();
for (const link of document.querySelectorAll("#pst-page-toc-nav a[href^='#']")) {
  const section = document.getElementById(decodeURIComponent(link.hash.slice(1)));
  if (section) links.set(section, link);
}
const seen = new Set();
let marked;
const mark = (link) => {
  if (link === marked) return;
  marked?.removeAttribute("aria-current");
  link?.setAttribute("aria-current", "true");
  for (const entry of document.querySelectorAll("#pst-page-toc-nav li.active")) entry.classList.remove("active");
  for (let entry = link?.closest("li"); entry; entry = entry.parentElement.closest("li")) entry.classList.add("active");
  marked = link;
};
const reading = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) seen[isIntersecting ? "add" : "delete"](target);
    const open = [...links.keys()].filter((section) => seen.has(section));
    mark(links.get(open.find((section) => !open.some((other) => other !== section && section.contains(other)))));
  },
  { rootMargin: "-15% 0px -70% 0px" },
);
for (const section of links.keys()) reading.observe(section);

const contents = document.getElementById("pst-secondary-sidebar");
const margin = new Set();
const beside = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) margin[isIntersecting ? "add" : "delete"](target);
    contents.classList.toggle("hide", margin.size > 0);
  },
  { rootMargin: "0px 0px -33% 0px" },
);
if (contents) for (const note of document.querySelectorAll("article :is(.margin, .sidebar, .full-width)")) beside.observe(note);

const top = document.querySelector(".sbt-scroll-pixel-helper");
if (top) {
  new IntersectionObserver(([{ boundingClientRect }]) => document.body.classList.toggle("scrolled", boundingClientRect.y < 0)).observe(top);
}
