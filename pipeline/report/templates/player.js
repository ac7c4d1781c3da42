"use strict";
/* The skeleton player. `new Player(figure, plan)` takes over a <figure class="player">;
   `load(motion)` shows a packed motion (pipeline/report/motion.py), `clear(fps)` and
   `append(bodies)` build one up frame by frame, as a live view does. Names reach the page by
   textContent and attributes alone, never as HTML. */

const ABSENT = -32768;
const STAGE = { width: 480, height: 400 };

/** Return a new SVG element with attributes, at the end of `parent`. */
function draw(parent, name, attributes = {}) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return parent.appendChild(made);
}

/** Return a new HTML element with a class and a text, at the end of `parent`. */
function add(parent, name, className = "", text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.textContent = text;
  return parent.appendChild(made);
}

/** Return frames of a packed motion: for each a list of bodies, Float32Array or null if absent. */
function unpack(motion, joints) {
  const bytes = Uint8Array.from(atob(motion.xyz), (c) => c.charCodeAt(0));
  const steps = new Int16Array(bytes.buffer), size = joints * 3, frames = [];
  for (let at = 0; at < steps.length; at += size * motion.bodies) {
    frames.push(Array.from({ length: motion.bodies }, (_, m) => {
      const own = steps.subarray(at + m * size, at + (m + 1) * size);
      if (own.every((v) => v === ABSENT)) return null;
      return Float32Array.from(own, (v) => (v === ABSENT ? NaN : v * motion.step));
    }));
  }
  return frames;
}

/** Where the eye is: turns points in metres into points on the stage. */
class Camera {
  constructor() { this.yaw = -25; this.tilt = 12; this.reset(); }
  reset() { this.low = [Infinity, Infinity, Infinity]; this.high = this.low.map((v) => -v); }
  grow(bodies) {
    for (const body of bodies) for (let i = 0; body && i < body.length; i++) {
      if (body[i] < this.low[i % 3]) this.low[i % 3] = body[i];
      if (body[i] > this.high[i % 3]) this.high[i % 3] = body[i];
    }
  }
  fit() {
    const size = this.low.map((low, i) => (low < Infinity ? this.high[i] - low : 2));
    this.middle = this.low.map((low, i) => (low < Infinity ? low + size[i] / 2 : 0));
    this.radius = Math.max(0.5, Math.hypot(size[0], size[2]) / 2);
    this.floor = this.middle[1] - size[1] / 2;
    const half = Math.max(0.6, size[1] / 2);
    this.zoom = Math.min(STAGE.width * 0.42 / this.radius, STAGE.height * 0.44 / (half + 0.25 * this.radius));
    const turn = Math.PI / 180;
    [this.sy, this.cy] = [Math.sin(this.yaw * turn), Math.cos(this.yaw * turn)];
    [this.st, this.ct] = [Math.sin(this.tilt * turn), Math.cos(this.tilt * turn)];
  }
  /* x grows to the sensor's left and z away from it, so seen from the sensor x runs leftwards. */
  see(x, y, z) {
    x -= this.middle[0]; y -= this.middle[1]; z -= this.middle[2];
    const right = -(x * this.cy + z * this.sy), away = z * this.cy - x * this.sy;
    const near = 1 / (1 + (away * this.ct - y * this.st) / (7 * this.radius + 3));
    const k = this.zoom * near;
    return [STAGE.width / 2 + right * k, STAGE.height / 2 - (y * this.ct + away * this.st) * k];
  }
  joint(body, j) { return this.see(body[3 * j], body[3 * j + 1], body[3 * j + 2]); }
  line(a, b) { return `M${a[0].toFixed(1)} ${a[1].toFixed(1)}L${b[0].toFixed(1)} ${b[1].toFixed(1)}`; }
  /** Return the floor as a path: lines half a metre apart. */
  grid() {
    const reach = Math.ceil((this.radius + 0.1) * 2) / 2, [x, , z] = this.middle;
    let path = "";
    for (let at = -reach; at <= reach + 1e-6; at += 0.5) {
      path += this.line(this.see(x + at, this.floor, z - reach), this.see(x + at, this.floor, z + reach));
      path += this.line(this.see(x - reach, this.floor, z + at), this.see(x + reach, this.floor, z + at));
    }
    return path;
  }
}

/** One body drawn as paths: its left side, the rest, its joints and its head. */
class Figure {
  constructor(parent, number, plan) {
    this.plan = plan;
    this.left = new Set(plan.left);
    const group = draw(parent, "g", { class: `body body${Math.min(number, 2)}` });
    this.paths = ["trail", "left", "right", "joints"].map((name) => draw(group, "path", { class: name }));
    this.head = draw(group, "circle", { class: "head", r: 9 });
  }
  show(body, camera, trail = []) {
    const parts = { left: "", right: "", joints: "", trail: "" };
    this.head.setAttribute("visibility", "hidden");
    if (body) {
      const seen = Array.from({ length: this.plan.joints }, (_, j) => camera.joint(body, j));
      const there = (j) => Number.isFinite(seen[j][0]);
      for (const [a, b] of this.plan.bones) {
        if (there(a) && there(b)) parts[this.left.has(a) ? "left" : "right"] += camera.line(seen[a], seen[b]);
      }
      seen.forEach((p, j) => { if (there(j)) parts.joints += camera.line(p, p); });
      if (there(this.plan.head)) {
        const [x, y] = seen[this.plan.head];
        this.head.setAttribute("cx", x.toFixed(1));
        this.head.setAttribute("cy", y.toFixed(1));
        this.head.setAttribute("visibility", "visible");
      }
      for (const hand of this.plan.hands) for (let t = 1; t < trail.length; t++) {
        if (!trail[t - 1] || !trail[t]) continue;
        const step = [camera.joint(trail[t - 1], hand), camera.joint(trail[t], hand)];
        if (step.flat().every(Number.isFinite)) parts.trail += camera.line(...step);
      }
    }
    this.paths.forEach((path) => path.setAttribute("d", parts[path.getAttribute("class")]));
  }
}

/** Draw one frame of a motion as a small still picture into an <svg>. */
function still(svg, frames, plan) {
  const camera = new Camera();
  frames.forEach((bodies) => camera.grow(bodies));
  camera.fit();
  const middle = frames[Math.floor(frames.length / 2)] || [];
  middle.forEach((body, m) => new Figure(svg, m, plan).show(body, camera));
}

const clock = (s) => `${Math.floor(s / 60)}:${(s % 60).toFixed(2).padStart(5, "0")}`;

class Player {
  constructor(root, plan) {
    this.root = root;
    this.plan = plan;
    this.camera = new Camera();
    this.part = (name) => root.querySelector(`[data-part="${name}"]`);
    this.svg = this.part("picture");
    this.floor = draw(this.svg, "path", { class: "floor" });
    this.bodies = draw(this.svg, "g");
    this.clear(30);
    this.listen();
  }

  /** Forget everything; frames appended from now on come at `fps` a second. */
  clear(fps) {
    this.pause();
    Object.assign(this, { frames: [], fps, at: 0, from: 0, to: 0, segments: [], figures: [] });
    this.bodies.replaceChildren();
    this.part("second").hidden = true;
    this.camera.reset();
  }

  /** Show a packed motion from its first frame, still. */
  load(motion) {
    this.clear(motion.fps);
    for (const bodies of unpack(motion, this.plan.joints)) this.add(bodies);
    this.part("name").textContent = motion.name;
    this.part("caption").textContent = motion.caption;
    this.setSegments(motion.segments || []);
    this.range();
    this.turn();
  }

  add(bodies) {
    this.frames.push(bodies);
    this.camera.grow(bodies);
    if (bodies[1]) this.part("second").hidden = false;
  }

  /** Append one live frame, a list of bodies [[x, y, z] or null x joints] or null, and show it
      where that is wanted; beyond `most` frames the oldest are forgotten. */
  append(bodies, show = true, most = Infinity) {
    const missing = [NaN, NaN, NaN];
    this.add(bodies.map((b) => b && Float32Array.from(b.flatMap((joint) => joint || missing))));
    if (this.frames.length > most) { this.frames.shift(); this.at = Math.max(0, this.at - 1); }
    this.range();
    if (show) { this.pause(); this.at = this.to; this.turn(); }
  }

  range(from = 0, to = this.frames.length - 1) {
    Object.assign(this, { from, to });
    this.part("scrub").max = Math.max(0, this.frames.length - 1);
  }

  get seconds() { return this.frames.length / this.fps; }
  get playing() { return this.request !== undefined; }

  play() {
    if (this.playing || this.to <= this.from) return;
    if (this.at >= this.to) this.at = this.from;
    let last;
    const tick = (now) => {
      if (last !== undefined) this.at += ((now - last) / 1000) * this.fps * this.part("speed").value;
      last = now;
      if (this.at > this.to) {
        if (!this.part("loop").checked) { this.at = this.to; this.pause(); this.show(); return; }
        this.at = this.from;
      }
      this.show();
      this.request = requestAnimationFrame(tick);
    };
    this.request = requestAnimationFrame(tick);
    this.state();
  }

  pause() {
    if (this.playing) cancelAnimationFrame(this.request);
    this.request = undefined;
    this.state();
  }

  state() {
    this.part("play").textContent = this.playing ? "Pause" : "Play";
    this.root.classList.toggle("playing", this.playing);
  }

  /** Go to a frame and stay there. */
  seek(frame) {
    this.pause();
    this.range();
    this.at = Math.max(0, Math.min(this.to, frame));
    this.show();
  }

  /** Look from elsewhere; degrees are kept within one turn and above the floor. */
  turn(yaw = 0, tilt = 0) {
    this.camera.yaw = ((((this.camera.yaw + yaw + 180) % 360) + 360) % 360) - 180;
    this.camera.tilt = Math.max(-10, Math.min(89, this.camera.tilt + tilt));
    this.part("yaw").value = this.camera.yaw;
    this.camera.fit();
    this.floor.setAttribute("d", this.frames.length ? this.camera.grid() : "");
    this.show();
  }

  look(yaw, tilt) { this.turn(yaw - this.camera.yaw, tilt - this.camera.tilt); }

  show() {
    const t = Math.floor(this.at), bodies = this.frames[t] || [];
    while (this.figures.length < bodies.length) {
      this.figures.push(new Figure(this.bodies, this.figures.length, this.plan));
    }
    const before = this.frames.slice(Math.max(0, t - 10), t + 1);
    this.figures.forEach((figure, m) => figure.show(bodies[m], this.camera, before.map((f) => f[m])));
    const time = t / this.fps, scrub = this.part("scrub");
    const said = `${clock(time)} of ${clock(this.seconds)}, frame ${this.frames.length ? t + 1 : 0} of ${this.frames.length}`;
    scrub.value = t;
    scrub.setAttribute("aria-valuetext", said);
    this.part("time").textContent = said;
    this.segments.forEach(({ segment, entry }) => {
      const now = time >= segment.start_s && time < segment.end_s;
      entry.toggleAttribute("aria-current", now);
      if (now) entry.setAttribute("aria-current", "true");
    });
    const now = this.segments.find(({ segment }) => time >= segment.start_s && time < segment.end_s);
    this.part("now").textContent = now ? now.segment.label : "";
  }

  /** Lay the labelled stretches under the scrubber, as a strip and as a list of buttons. */
  setSegments(segments) {
    const strip = this.part("strip"), list = this.part("segments");
    const colours = [...new Set(segments.map((segment) => segment.label))];
    [strip, list].forEach((part) => { part.replaceChildren(); part.hidden = !segments.length; });
    this.segments = segments.map((segment) => {
      const block = add(strip, "span", `c${colours.indexOf(segment.label) % 6}`);
      block.style.left = `${(100 * segment.start_s) / this.seconds}%`;
      block.style.width = `${(100 * (Math.min(segment.end_s, this.seconds) - segment.start_s)) / this.seconds}%`;
      block.title = segment.label;
      const entry = add(add(list, "li"), "button", `c${colours.indexOf(segment.label) % 6}`);
      entry.type = "button";
      add(entry, "bdi", "label", segment.label);
      const score = segment.score === null ? "" : `, score ${segment.score.toFixed(2)}`;
      add(entry, "small", "", `${clock(segment.start_s)} to ${clock(segment.end_s)}${score}`);
      [block, entry].forEach((part) => part.addEventListener("click", () => this.playSegment(segment)));
      return { segment, entry };
    });
  }

  playSegment(segment) {
    const last = this.frames.length - 1, frame = (s) => Math.min(last, Math.round(s * this.fps));
    this.pause();
    this.at = frame(segment.start_s);
    this.range(this.at, Math.max(this.at, frame(segment.end_s) - 1));
    this.show();
    this.play();
  }

  listen() {
    const on = (name, event, act) => this.part(name).addEventListener(event, act);
    on("play", "click", () => (this.playing ? this.pause() : this.play()));
    on("back", "click", () => this.seek(Math.floor(this.at) - 1));
    on("next", "click", () => this.seek(Math.floor(this.at) + 1));
    on("scrub", "input", (event) => this.seek(+event.target.value));
    on("yaw", "input", (event) => this.look(+event.target.value, this.camera.tilt));
    on("front", "click", () => this.look(0, 5));
    on("side", "click", () => this.look(90, 5));
    on("top", "click", () => this.look(0, 89));
    this.root.addEventListener("keydown", (event) => this.key(event));
    const stage = this.part("stage");
    stage.addEventListener("pointerdown", (event) => stage.setPointerCapture(event.pointerId));
    stage.addEventListener("pointermove", (event) => {
      if (stage.hasPointerCapture(event.pointerId)) this.turn(event.movementX / 2, event.movementY / 3);
    });
  }

  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const on = event.target, stage = on === this.part("stage");
    const acts = {
      ",": () => this.seek(Math.floor(this.at) - 1),
      ".": () => this.seek(Math.floor(this.at) + 1),
    };
    if (stage || on.type === "range") acts[" "] = () => (this.playing ? this.pause() : this.play());
    if (stage) Object.assign(acts, {
      ArrowLeft: () => this.turn(-10), ArrowRight: () => this.turn(10),
      ArrowUp: () => this.turn(0, 10), ArrowDown: () => this.turn(0, -10),
      Home: () => this.seek(0), End: () => this.seek(this.frames.length - 1),
    });
    if (!(event.key in acts)) return;
    event.preventDefault();
    acts[event.key]();
  }
}
