/* A deck: reveal.js shows it, and here are its menu, its handout, and what it tells the speaker view. */
(() => {
  const root = document.documentElement, handout = root.classList.contains("handout"), peek = root.classList.contains("peek");
  const main = document.querySelector(".mc-deck"), slides = [...main.querySelectorAll("section[data-number]")];

  // --- light and dark ---
  function changeMode() {
    const mode = root.dataset.theme === "dark" ? "light" : "dark";
    root.dataset.mode = root.dataset.theme = mode;
    localStorage.setItem("mode", mode);
    localStorage.setItem("theme", mode);
  }

  // --- the menu ---
  const [opener, actions] = [document.querySelector(".deck-menu > button"), document.getElementById("deck-actions")];
  function toggle(open) {
    actions.hidden = !open;
    opener.setAttribute("aria-expanded", open);
  }
  opener.addEventListener("click", () => toggle(actions.hidden));
  document.querySelector(".deck-menu").addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || actions.hidden) return;
    event.stopPropagation();
    toggle(false);
    opener.focus();
  });
  document.addEventListener("click", (event) => event.target.closest(".deck-menu") || toggle(false));

  // A figure to play with comes alive in a deck without reveal.js too: on the handout it stays as it is.
  if (handout) {
    document.title = document.title.replace("Slides", "Handout");
    for (const link of actions.querySelectorAll("li")) if (!link.querySelector("a, [data-do=print], [data-do=mode]")) link.remove();
    const back = actions.querySelector('a[href="?handout"]');
    back.href = location.pathname;
    back.textContent = "Back to the slides";
    actions.addEventListener("click", ({ target }) => {
      const action = target.closest("[data-do]")?.dataset.do;
      if (action === "print") print();
      if (action === "mode") changeMode();
    });
    return;
  }

  main.classList.add("reveal");
  main.setAttribute("aria-label", "Slides");
  for (const box of main.querySelectorAll(".math-scroll")) box.removeAttribute("tabindex"); // nothing scrolls on a slide
  const deck = new Reveal(main, {
    width: 1280, height: 720, margin: 0, minScale: 0.1, maxScale: 4, center: false, hash: !peek, respondToHashChanges: !peek,
    transition: "none", backgroundTransition: "none", controls: !peek, controlsTutorial: false, progress: !peek, overview: true,
    help: !peek, jumpToSlide: true, touch: true, preloadIframes: false, postMessage: false, postMessageEvents: false,
    embedded: false, keyboard: !peek, scrollActivationWidth: null,
    // Where a figure or a field has the focus, the arrows are its own.
    keyboardCondition: (event) => !event.target.closest?.("[data-explore], input, select, textarea, .deck-menu ul"),
  });
  window.deck = deck;

  // --- what the speaker view is told ---
  let speaker = null;
  const place = () => { const { h, v, f } = deck.getIndices(); return [h, v || 0, f ?? -1]; };
  function after() {
    // The next state: the next step of this slide, or the next slide.
    const now = deck.getCurrentSlide(), [h, v, f] = place();
    if (f + 1 < now.querySelectorAll(".fragment").length) return [h, v, f + 1];
    const next = slides[slides.indexOf(now) + 1];
    return next ? (({ h, v }) => [h, v || 0, -1])(deck.getIndices(next)) : null;
  }
  function tell() {
    const now = deck.getCurrentSlide(), number = slides.indexOf(now);
    // Detours have no place in the plan.
    const time = (some) => some.filter((slide) => !("detour" in slide.dataset)).reduce((sum, slide) => sum + Number(slide.dataset.minutes), 0);
    speaker?.postMessage({
      deck: location.href.split(/[?#]/)[0], title: document.title, now: place(), next: after(), number: number + 1, count: slides.length,
      notes: now.querySelector(".notes").innerHTML, heading: now.querySelector("h2").textContent, minutes: Number(now.dataset.minutes),
      past: time(slides.slice(0, number)), all: time(slides), detour: "detour" in now.dataset, theme: root.dataset.theme,
    }, "*");
  }
  function openSpeaker() {
    speaker = open(document.body.dataset.speaker, "speaker", "width=1200,height=760");
    if (!speaker) alert("The browser did not open the speaker view: allow pop-ups for this page, then press S again.");
  }
  addEventListener("message", ({ source, data }) => {
    if (peek && source === parent && data.show) deck.slide(...data.show);
    if (!speaker || source !== speaker) return;
    if (data === "hello") tell();
    if (data === "on") deck.next();
    if (data === "back") deck.prev();
  });
  for (const event of ["slidechanged", "fragmentshown", "fragmenthidden"]) deck.on(event, tell);

  // --- keys and actions ---
  const acts = {
    overview: () => deck.toggleOverview(), speaker: openSpeaker, mode: changeMode, print: () => print(), help: () => deck.toggleHelp(),
    full: () => (document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen()),
  };
  actions.addEventListener("click", ({ target }) => {
    const action = target.closest("[data-do]")?.dataset.do;
    if (!action) return;
    toggle(false);
    opener.focus();
    acts[action]();
  });
  deck.addKeyBinding({ keyCode: 83, key: "S", description: "Speaker view" }, openSpeaker);
  deck.addKeyBinding({ keyCode: 76, key: "L", description: "Light or dark" }, changeMode);
  deck.addKeyBinding({ keyCode: 77, key: "M", description: "Menu" }, () => (toggle(actions.hidden), opener.focus()));

  deck.initialize().then(() => {
    if (peek) parent.postMessage("ready", "*");
    // Slides out of sight are no part of what is read aloud or reached by keys; reveal.js hides them by display.
    const status = document.querySelector(".aria-status");
    status?.setAttribute("role", "status");
  });
})();
