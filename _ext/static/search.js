/* What a result quotes from a page is its text alone: not its contents for print, and each formula once. */
Search.htmlToText = ((text) => (source, anchor) => {
  const page = new DOMParser().parseFromString(source, "text/html");
  page.querySelectorAll("#jb-print-docs-body, annotation, .katex-html").forEach((part) => part.remove());
  return text(page.documentElement.outerHTML, anchor);
})(Search.htmlToText);
