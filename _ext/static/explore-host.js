/* Brings the figures of utils/explore to life when they come near the window: the host of their anywidgets, without a
   kernel. The model is the state that stands in the page. */
(() => {
  const folder = new URL("explore/", document.currentScript.src);

  function model(state) {
    const listeners = new Set();
    return {
      get: () => state,
      set: (_, value) => (state = value),
      save_changes: () => listeners.forEach((listener) => listener()),
      on: (_, listener) => listeners.add(listener),
      off: (_, listener) => listeners.delete(listener),
    };
  }
  function start(box) {
    const name = box.dataset.explore, state = JSON.parse(box.querySelector("script").textContent);
    const run = () => window.mcExplore[name].render({ model: model(state), el: box });
    if (window.mcExplore?.[name]) return run();
    const script = document.createElement("script");
    script.src = new URL(`${name}.js`, folder);
    script.addEventListener("load", run);
    document.head.append(script);
  }
  const near = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries)
      if (isIntersecting) {
        near.unobserve(target);
        start(target);
      }
  }, { rootMargin: "400px" });
  document.querySelectorAll("[data-explore]").forEach((box) => near.observe(box));
})();
