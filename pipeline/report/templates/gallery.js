/* A gallery of clips: a small picture and a name each, with a filter above. */

/** Fill the <ul> with a button per motion that calls `choose(index)`; nothing without a list. */
function fillGallery(list, motions, plan, choose) {
  if (!list) return;
  const entries = motions.map((motion, index) => {
    const item = add(list, "li"), button = add(item, "button");
    button.type = "button";
    still(draw(button, "svg", { viewBox: "90 20 300 360", "aria-hidden": "true" }), unpack(motion, plan.joints), plan);
    add(button, "bdi", "label", motion.caption);
    add(button, "bdi", "name", motion.name);
    button.addEventListener("click", () => { mark(index); choose(index); });
    return { item, button, words: `${motion.name} ${motion.caption}`.toLowerCase() };
  });
  const mark = (chosen) => entries.forEach(({ button }, i) => button.setAttribute("aria-pressed", i === chosen));
  const filter = document.getElementById("filter"), shown = document.getElementById("shown");
  const sift = () => {
    const word = filter.value.trim().toLowerCase();
    entries.forEach(({ item, words }) => { item.hidden = !words.includes(word); });
    shown.textContent = `${entries.filter(({ item }) => !item.hidden).length} of ${entries.length} clips`;
  };
  filter.addEventListener("input", sift);
  mark(0);
  sift();
}
