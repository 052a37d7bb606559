"""How long a figure to play with takes for one change: `make bench-explore`, on the built site.

For each control of each figure, on a phone and on a desktop: the time from a change to the new picture, laid out, in
milliseconds. A screen draws a frame every 16.
"""

import sys
from pathlib import Path
from statistics import median

import browser as look
from playwright.sync_api import sync_playwright

SITE = Path(__file__).parents[1] / "_build/html"
STEPS = 40
MEASURE = """async ([box, steps]) => {
  const inputs = [...box.querySelectorAll("[data-name]")], times = [];
  for (let step = 0; step < steps; step++) {
    const input = inputs[step % inputs.length];
    await new Promise(requestAnimationFrame);
    if (input.type === "radio") input.checked = true;
    else input.value = Number(input.min) + ((step * 7) % 11) / 10 * (input.max - input.min);
    const begin = performance.now();
    input.dispatchEvent(new Event("input", { bubbles: true }));
    const handled = performance.now() - begin;
    // The figure draws in the frame that it has asked for; what is asked for later comes later in the same frame.
    times.push(handled + await new Promise((done) => requestAnimationFrame((frame) => {
      box.querySelector("svg").getBBox();
      done(performance.now() - frame);
    })));
  }
  return times;
}"""


def main() -> None:
    if not (SITE / "chapters/index.html").exists():
        sys.exit("There is no site to measure: run `make book` first.")
    with sync_playwright() as playwright, look.serve(SITE) as address:
        browser = look.launch(playwright)
        print(f"{'figure':<20}{'window':<10}{'median ms':>10}{'worst ms':>10}")
        for file in sorted((SITE / "chapters").glob("*.html")):
            for size, viewport in look.SIZES.items():
                page = browser.new_context(viewport=viewport).new_page()
                page.goto(f"{address}chapters/{file.name}")
                for box in page.locator("[data-explore]").all():
                    name = box.get_attribute("data-explore")
                    while not page.evaluate("name => Boolean(window.mcExplore?.[name])", name):
                        # Sections above are laid out as they come into sight, and move it away.
                        box.evaluate("box => box.scrollIntoView({block: 'center'})")
                        page.wait_for_timeout(100)
                    times = page.evaluate(MEASURE, [box.element_handle(), STEPS])[2:]
                    print(f"{name:<20}{size:<10}{median(times):>10.1f}{max(times):>10.1f}")
                page.context.close()


if __name__ == "__main__":
    main()
