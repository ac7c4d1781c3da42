/* The live view: frames and rankings arrive as server-sent events, labels go back by POST. */
(() => {
  const MOST_FRAMES = 900; // half a minute
  const { plan, fps, labels } = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const player = new Player(at("player"), plan);
  player.clear(fps);
  at("player").querySelector("[data-part=name]").textContent = `The last ${MOST_FRAMES / fps} seconds`;
  /* Who looks back, by whatever control, is not pulled to the newest frame any more. */
  const looksBack = ({ target, key }) => {
    if (["scrub", "play", "back", "next"].includes(target.dataset.part) || [" ", ",", ".", "Home"].includes(key)) at("follow").checked = false;
  };
  ["input", "click", "keydown"].forEach((kind) => at("player").addEventListener(kind, looksBack));
  const fill = (list) => { at("labels").value = list.join("\n"); };
  fill(labels);

  const events = new EventSource("events");
  const state = (text) => { at("state").textContent = text; };
  events.addEventListener("open", () => state("Connected"));
  events.addEventListener("error", () => state("The connection was lost; trying again"));
  events.addEventListener("frame", (event) => {
    player.append(JSON.parse(event.data), at("follow").checked, MOST_FRAMES);
  });
  events.addEventListener("labels", (event) => {
    if (document.activeElement !== at("labels")) fill(JSON.parse(event.data));
  });
  events.addEventListener("ranking", (event) => {
    const list = at("ranking");
    list.replaceChildren();
    for (const [label, share] of JSON.parse(event.data)) {
      const row = add(list, "li");
      add(row, "bdi", "", label).title = label;
      add(add(row, "span", "rail"), "span", "fill").style.width = `${100 * share}%`;
      add(row, "span", "share", `${(100 * share).toFixed(0)} %`);
    }
    at("waiting").hidden = true;
  });

  const say = (text, failed) => {
    at("said").textContent = text;
    at("said").classList.toggle("failed", failed);
  };
  at("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const body = JSON.stringify(at("labels").value.split("\n"));
    try {
      const answer = await fetch("labels", { method: "POST", body, headers: { "Content-Type": "application/json" } });
      say(answer.ok ? "In use." : await answer.text(), !answer.ok);
    } catch { say("The program does not answer.", true); }
  });
  at("labels").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.ctrlKey) at("form").requestSubmit();
  });
})();
