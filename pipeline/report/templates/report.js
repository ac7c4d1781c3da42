/* The report: sorting, filtering, copying, the matrices' keyboard, and the clips. */
(() => {
  const { plan, clips, copies } = JSON.parse(document.getElementById("data").textContent);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  /* Tables are sorted by the button in a heading: by number where cells begin with one. */
  const value = (row, column) => {
    const text = row.cells[column].textContent.trim(), number = parseFloat(text.replace("−", "-").replace(",", ""));
    return Number.isNaN(number) ? text : number;
  };
  const order = (a, b) => (typeof a === typeof b ? (typeof a === "number" ? a - b : a.localeCompare(b)) : typeof a === "number" ? -1 : 1);
  for (const button of all(".sort")) button.addEventListener("click", () => {
    const heading = button.closest("th"), body = heading.closest("table").tBodies[0], column = heading.cellIndex;
    const down = heading.ariaSort === "ascending" ? -1 : 1;
    for (const other of heading.parentNode.cells) if (other.ariaSort) other.ariaSort = "none";
    heading.ariaSort = down === 1 ? "ascending" : "descending";
    const rows = [...body.rows].sort((a, b) => {
      const [x, y] = [value(a, column), value(b, column)];
      return typeof x === typeof y ? down * order(x, y) : order(x, y); // dashes stay last
    });
    body.append(...rows);
  });

  for (const input of all("[data-filter]")) input.addEventListener("input", () => {
    const word = input.value.trim().toLowerCase();
    for (const row of document.getElementById(input.dataset.filter).tBodies[0].rows) row.hidden = !row.textContent.toLowerCase().includes(word);
  });

  const tell = (text) => {
    const said = add(document.body, "p", "said no-print", text);
    said.setAttribute("role", "status");
    setTimeout(() => said.remove(), 2500);
  };
  const copy = async (text) => {
    try { await navigator.clipboard.writeText(text); } catch {
      const box = add(document.body, "textarea", "", text);
      box.select();
      document.execCommand("copy");
      box.remove();
    }
  };
  for (const button of all("[data-copy]")) button.addEventListener("click", async () => {
    const focused = document.activeElement;
    await copy(copies[button.dataset.copy][button.dataset.form]);
    focused.focus();
    tell(`${button.dataset.form} copied`);
  });

  /* A matrix is one stop of the Tab key; arrows, Home and End go from cell to cell. */
  for (const table of all(".matrix")) {
    const rows = [...table.tBodies[0].rows], readout = table.closest(".panel").querySelector(".readout");
    const names = rows.map((row) => row.cells[0].textContent), heads = table.tHead.rows[0].cells;
    const at = (r, c) => rows[r] && rows[r].cells[c + 1];
    const read = (cell) => {
      const r = cell.parentNode.sectionRowIndex, c = cell.cellIndex - 1, count = +cell.textContent || 0;
      const total = [...rows[r].cells].slice(1).reduce((sum, other) => sum + (+other.textContent || 0), 0);
      all(".on", table).forEach((head) => head.classList.remove("on"));
      [rows[r].cells[0], heads[c + 1]].forEach((head) => head.classList.add("on"));
      const share = total ? `, ${Math.round((100 * count) / total)} % of the class` : "";
      readout.textContent = r === c ? `“${names[r]}” rightly named: ${count} of ${total} clips${share}` : `“${names[r]}” taken for “${names[c]}”: ${count} of ${total} clips${share}`;
    };
    table.addEventListener("mouseover", (event) => event.target.closest("td") && read(event.target.closest("td")));
    table.addEventListener("focusin", (event) => event.target.closest("td") && read(event.target.closest("td")));
    table.addEventListener("keydown", (event) => {
      const cell = event.target.closest("td"), r = cell.parentNode.sectionRowIndex, c = cell.cellIndex - 1;
      const step = { ArrowUp: [r - 1, c], ArrowDown: [r + 1, c], ArrowLeft: [r, c - 1], ArrowRight: [r, c + 1], Home: [r, 0], End: [r, names.length - 1] }[event.key];
      const next = step && step[1] >= 0 && at(...step);
      if (!step) return;
      event.preventDefault();
      if (!next) return;
      cell.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    });
  }

  for (const box of all("[data-panel]")) {
    const panel = document.getElementById(box.dataset.panel), show = () => { panel.hidden = !box.checked; };
    box.addEventListener("change", show);
    show();
  }

  addEventListener("beforeprint", () => all("details").forEach((part) => { part.open = true; }));
  addEventListener("afterprint", () => all("details").forEach((part) => { part.open = false; }));

  /* Clips: a skeleton, and beside it what each method made of it. */
  if (!clips.length) return;
  const place = document.getElementById("player"), player = place && new Player(place, plan);
  const bars = (clip) => {
    const heading = document.getElementById("clip-name");
    if (heading) heading.textContent = `${clip.name}: ${clip.caption}, ${clip.split}`;
    const parts = document.getElementById("bars");
    parts.replaceChildren();
    for (const method of clip.methods) {
      const part = add(parts, "div"), heading = add(part, "h3", "", `${method.method} `);
      add(heading, "span", method.right ? "yes" : "no", method.right ? "✓ right" : "✗ wrong");
      const list = add(part, "ol");
      method.bars.forEach(([name, share, truth], i) => {
        const row = add(list, "li", `${truth ? "true" : ""}${i ? "" : " first"}`);
        const label = add(row, "bdi", "", truth ? `${name} (true)` : name);
        label.title = name;
        add(add(row, "span", "rail"), "span", "fill").style.width = `${100 * share}%`;
        add(row, "span", "share", `${(100 * share).toFixed(0)} %`);
      });
    }
  };
  const choose = (index) => {
    if (player && clips[index].motion) player.load({ ...clips[index].motion, caption: `${clips[index].caption}, ${clips[index].split}` });
    bars(clips[index]);
  };
  const wrong = (clip) => clip.methods.some((method) => !method.right);
  const only = document.getElementById("only");
  const keep = (clip) => only.value === "all" || wrong(clip) === (only.value === "wrong");
  const sift = fillGallery(document.getElementById("gallery"), clips, plan, choose, keep);
  only.addEventListener("change", sift);
  choose(0);
})();
