/* A gallery of clips: a small picture and a name each, with a filter above. */

/** Fill the <ul> with a button per clip that calls `choose(index)`; return what filters anew.
    A clip has a name, a caption, a packed motion or null, and methods that were right or not. */
function fillGallery(list, clips, plan, choose, keep = () => true) {
  const entries = clips.map((clip, index) => {
    const item = add(list, "li"), button = add(item, "button");
    button.type = "button";
    if (clip.motion) {
      const picture = draw(button, "svg", { viewBox: "90 20 300 360", "aria-hidden": "true" });
      still(picture, unpack(clip.motion, plan.joints), plan);
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
