/* The speaker view: the deck that opened it tells it what is on the screen, and is told to go on or back. */
(() => {
  const $ = (name) => document.querySelector(name);
  const frames = { now: $(".now iframe"), next: $(".next iframe") };
  let told = null, start = Date.now();

  function show(name) {
    const state = told?.[name];
    if (state) frames[name].contentWindow.postMessage({ show: state }, "*");
  }
  function clock() {
    const seconds = Math.floor((Date.now() - start) / 1000), minutes = Math.floor(seconds / 60);
    $(".elapsed").textContent = `${minutes}:${String(seconds % 60).padStart(2, "0")}`;
  }
  addEventListener("message", ({ source, data }) => {
    for (const name in frames) if (source === frames[name].contentWindow && data === "ready") show(name);
    if (!opener || source !== opener || !data.deck) return;
    const first = told === null;
    told = data;
    document.documentElement.dataset.theme = data.theme;
    document.title = data.title.replace("Slides", "Speaker view");
    $(".waiting").hidden = true;
    $(".view").hidden = false;
    $(".notes h2").textContent = data.heading;
    $(".notes div").innerHTML = data.notes;
    $(".number").textContent = `Slide ${data.number} of ${data.count}`;
    $(".plan").textContent = data.detour ? `A detour of ${data.minutes} min beside the plan` :
      `Plan: this slide from minute ${data.past} to ${data.past + data.minutes}, of ${data.all}`;
    $(".end").hidden = data.next !== null;
    frames.next.hidden = data.next === null;
    if (first) {
      start = Date.now();
      for (const name in frames) frames[name].src = `${data.deck}?peek`;
    } else for (const name in frames) show(name);
  });
  $(".on").addEventListener("click", () => opener.postMessage("on", "*"));
  $(".back").addEventListener("click", () => opener.postMessage("back", "*"));
  $(".again").addEventListener("click", () => ((start = Date.now()), clock()));
  addEventListener("keydown", (event) => {
    if (event.target.closest("button, a")) return;
    const action = { ArrowRight: "on", " ": "on", PageDown: "on", n: "on", ArrowLeft: "back", PageUp: "back", p: "back" }[event.key];
    if (!action || !opener) return;
    event.preventDefault();
    opener.postMessage(action, "*");
  });
  setInterval(clock, 500);
  opener?.postMessage("hello", "*");
})();
