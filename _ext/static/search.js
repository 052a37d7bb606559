/* What a result quotes from a page is its text alone: not its contents for print, and each formula once. */
Search.htmlToText = ((text) => (source, anchor) => {
  const page = new DOMParser().parseFromString(source, "text/html");
  page.querySelectorAll("#jb-print-docs-body, annotation").forEach((part) => part.remove());
  return text(page.documentElement.outerHTML, anchor);
})(Search.htmlToText);
/* Who comes here is about to type, or wants to change what was typed. */
{
  const field = document.querySelector(":not(#pst-search-dialog) > form.bd-search input");
  field.value = new URLSearchParams(location.search).get("q") ?? "";
  field.focus();
  field.select();
}
