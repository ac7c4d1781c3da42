/* A gallery of clips: a small picture and a name each, with a filter above. */

/** Fill the <ul> with a button per clip that calls `choose(index)`; return what filters anew.
    A clip has a name, a caption, a packed motion or null, and methods that were right or not. */
function fillGallery(list, clips, plan, choose, keep = () => true) {
  /* A picture is drawn when it comes near the screen, or all of them to be printed: a page of 500
     clips opens at once. */
  const undrawn = new Map();
  const picture = (svg) => {
    if (undrawn.has(svg)) still(svg, unpack(undrawn.get(svg), plan.joints), plan);
    undrawn.delete(svg);
  };
  const watch = new IntersectionObserver((seen) => {
    for (const { isIntersecting, target } of seen) if (isIntersecting) { picture(target); watch.unobserve(target); }
  }, { rootMargin: "300px" });
  addEventListener("beforeprint", () => [...undrawn.keys()].forEach(picture));
  const entries = clips.map((clip, index) => {
    const item = add(list, "li"), button = add(item, "button");
    button.type = "button";
    if (clip.motion) {
      const svg = draw(button, "svg", { viewBox: "90 20 300 360", "aria-hidden": "true" });
      undrawn.set(svg, clip.motion);
      watch.observe(svg);
    }
    add(button, "bdi", "label", clip.caption);
    add(button, "bdi", "name", clip.name);
    for (const method of clip.methods || []) {
      add(button, "span", `marks ${method.right ? "yes" : "no"}`, `${method.right ? "✓" : "✗"} ${method.method}`);
    }
    button.addEventListener("click", () => { mark(index); choose(index); });
    return { item, button, clip, words: `${clip.name} ${clip.caption}`.toLowerCase() };
  });
  const mark = (chosen) => entries.forEach(({ button }, i) => button.setAttribute("aria-pressed", i === chosen));
  const filter = document.getElementById("filter"), shown = document.getElementById("shown");
  const sift = () => {
    const word = filter.value.trim().toLowerCase();
    entries.forEach(({ item, words, clip }) => { item.hidden = !words.includes(word) || !keep(clip); });
    shown.textContent = `${entries.filter(({ item }) => !item.hidden).length} of ${entries.length} clips`;
  };
  filter.addEventListener("input", sift);
  mark(0);
  sift();
  return sift;
}
