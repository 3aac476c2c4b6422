/* One picture in the page: a folded drawing, laid out, panned and zoomed. Only what can be seen stands in the document. */

const SVG = "http://www.w3.org/2000/svg";
const CORNER = 6, HEAD = 7, FEW = 700;

function shape(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null && value !== undefined) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const short = (number) => String(Math.round(number * 10) / 10);

class Canvas {
  /** `app` knows the data, the selection, the colours and what is open; it is told what the reader does to this canvas. */
  constructor(app, host, name) {
    this.app = app;
    this.host = host;
    this.name = name;
    this.view = { x: 0, y: 0, k: 1 };
    this.layer = shape("g");
    this.svg = shape("svg", { class: "graph", tabindex: "0", role: "group", "aria-label": `graph ${name}` }, this.layer);
    host.append(this.svg);
    this.shown = new Map();
    this.drawn = null;
    this.listen();
    new ResizeObserver(() => this.refresh()).observe(host);
  }

  // ------------------------------------------------ what is shown

  /** Show a stage. `keep` names what stays where it is on the screen; without it the nearest thing that stays does. */
  show(stage, keep = null) {
    const before = this.picture ? this.spots() : new Map();
    const anchor = this.anchor(before, keep);
    this.stage = stage;
    this.drawing = this.app.data.drawings[this.app.data.stages[stage].drawing];
    this.opened = new Set(this.drawing.groups.flatMap((group, number) => (number && this.app.opened.has(group.path) ? [number] : [])));
    this.scene = fold(this.drawing, this.opened);
    this.picture = layOut(this.scene);
    this.items = this.listItems();
    const after = this.spots();
    const there = anchor && (after.get(anchor) ?? this.closest(anchor, after));
    if (there) {
      const was = before.get(anchor);
      this.view.x += (was[0] - there[0]) * this.view.k;
      this.view.y += (was[1] - there[1]) * this.view.k;
    }
    this.redraw(before);
  }

  /** Where everything stands, by its key: the top left corner. */
  spots() {
    return new Map(this.items.filter((item) => item.kind !== "wire").map((item) => [item.key, [item.x, item.y]]));
  }

  anchor(before, keep) {
    if (keep && before.has(keep)) return keep;
    const chosen = this.app.selected;
    if (chosen && before.has(chosen)) return chosen;
    const { width, height } = this.host.getBoundingClientRect(), { x, y, k } = this.view;
    const middle = [(width / 2 - x) / k, (height / 3 - y) / k];
    let best = null, least = Infinity;
    for (const [key, spot] of before) {
      const far = Math.abs(spot[0] - middle[0]) + Math.abs(spot[1] - middle[1]);
      if (far < least && this.app.stays(key, this)) { best = key; least = far; }
    }
    return best;
  }

  /** The group around a thing that is no longer visible, or the first thing in a group that is no longer there. */
  closest(key, after) {
    for (const around of this.app.around(key, this.drawing)) if (after.has(around)) return after.get(around);
    return undefined;
  }

  listItems() {
    const { scene, picture, drawing } = this, items = [];
    scene.groups.forEach((group, number) => {
      if (!number) return;
      const [x, y, width, height] = picture.groups[number];
      items.push({ kind: "frame", key: `g${drawing.groups[group.group].path}`, x, y, width, height, number, group: group.group });
    });
    scene.wires.forEach((wire, number) => {
      const route = picture.wires[number], points = route.ways.flat();
      const xs = points.map((point) => point[0]), ys = points.map((point) => point[1]);
      const x = Math.min(...xs) - 6, y = Math.min(...ys), right = Math.max(...xs, route.label[0] + wire.width) + 6, bottom = Math.max(...ys) + 14;
      items.push({ kind: "wire", key: `w${number}`, x, y, width: right - x, height: bottom - y, number, wire: wire.wire });
    });
    scene.boxes.forEach((box, number) => {
      const [x, y, width, height] = picture.boxes[number];
      const key = box.closed === undefined ? `b${drawing.boxes[box.box].id}` : `g${drawing.groups[box.closed].path}`;
      items.push({ kind: "box", key, x, y, width, height, number, box: box.box, closed: box.closed });
    });
    return items;
  }

  // ------------------------------------------------ drawing

  redraw(before = new Map()) {
    const ghosts = before.size && this.items.length < FEW ? this.goneItems() : [];
    this.layer.replaceChildren();
    this.shown.clear();
    this.drawn = null;
    this.refresh();
    if (before.size && this.items.length < FEW && !matchMedia("(prefers-reduced-motion: reduce)").matches) this.move(before, ghosts);
  }

  /** What was drawn and is not in the picture any more. */
  goneItems() {
    const now = new Set(this.items.map((item) => item.key));
    return [...this.shown].filter(([key]) => !key.startsWith("w") && !now.has(key)).map(([, made]) => made);
  }

  move(before, ghosts) {
    const timing = { duration: 320, easing: "ease-in-out" };
    for (const item of this.items) {
      const made = this.shown.get(item.key), was = before.get(item.key);
      if (!made) continue;
      if (!was) made.animate([{ opacity: 0 }, { opacity: 0, offset: 0.5 }, { opacity: 1 }], timing);
      else if (was[0] !== item.x || was[1] !== item.y) made.animate([{ transform: `translate(${was[0]}px,${was[1]}px)` }, { transform: `translate(${item.x}px,${item.y}px)` }], timing);
    }
    for (const ghost of ghosts) {
      ghost.classList.add("gone");
      ghost.style.pointerEvents = "none";
      this.layer.append(ghost);
      ghost.animate([{ opacity: 1 }, { opacity: 0 }], timing).onfinish = () => ghost.remove();
    }
  }

  /** Put into the document what the window shows now, with a margin, and take out the rest. */
  refresh() {
    if (!this.picture) return;
    const { x, y, k } = this.view;
    this.layer.setAttribute("transform", `translate(${x} ${y}) scale(${k})`);
    const { width, height } = this.host.getBoundingClientRect(), far = k < 0.28;
    const seen = { left: -x / k, top: -y / k, right: (width - x) / k, bottom: (height - y) / k, far };
    if (this.drawn && this.drawn.far === far && seen.left >= this.drawn.left && seen.right <= this.drawn.right && seen.top >= this.drawn.top && seen.bottom <= this.drawn.bottom && k > this.drawn.k * 0.7) return;
    const over = (width / k) * 0.5, under = (height / k) * 0.5;
    this.drawn = { left: seen.left - over, right: seen.right + over, top: seen.top - under, bottom: seen.bottom + under, far, k };
    this.svg.classList.toggle("far", far);
    const least = 0.6 / k, area = this.drawn, keep = new Set();
    for (const item of this.items) {
      if (item.x > area.right || item.y > area.bottom || item.x + item.width < area.left || item.y + item.height < area.top) continue;
      if (item.height < least && item.width < least) continue;
      keep.add(item.key);
      if (!this.shown.has(item.key)) this.add(item);
    }
    for (const [key, made] of this.shown) if (!keep.has(key)) { made.remove(); this.shown.delete(key); }
    this.paint();
  }

  add(item) {
    const made = this.make(item);
    made.item = item;
    this.shown.set(item.key, made);
    const order = { frame: 0, wire: 1, box: 2 }[item.kind];
    this.layers ??= [];
    if (!this.layer.childElementCount) this.layers = [0, 1, 2].map(() => this.layer.appendChild(shape("g")));
    this.layers[order].append(made);
  }

  make(item) {
    if (item.kind === "frame") return this.makeFrame(item);
    if (item.kind === "wire") return this.makeWire(item);
    return item.closed === undefined ? this.makeBox(item) : this.makeClosed(item);
  }

  makeFrame(item) {
    const group = this.drawing.groups[item.group], [titleX, titleY] = this.picture.titles[item.number];
    const look = { scan: " loop", way: " way" }[group.kind] ?? "";
    return shape("g", { class: "group", style: `transform:translate(${item.x}px,${item.y}px)`, "data-key": item.key },
      shape("rect", { class: `frame${look}`, width: short(item.width), height: short(item.height), rx: 8 }),
      shape("g", { class: "toggle", "data-toggle": group.path },
        shape("rect", { class: "handle", x: short(titleX - item.x - 3), y: short(titleY - item.y - 11), width: short(group.titleWidth + 8), height: 15, rx: 3 }),
        shape("text", { class: "name", x: short(titleX - item.x), y: short(titleY - item.y) }, group.title, shape("title", {}, "close this block"))));
  }

  makeBox(item) {
    const box = this.drawing.boxes[item.box], fact = this.app.data.facts[box.fact];
    const made = shape("g", { class: `node ${box.kind}`, style: `transform:translate(${item.x}px,${item.y}px)`, "data-key": item.key }, shape("title", {}, fact.tip));
    if (box.kind === "sign") {
      made.append(shape("circle", { class: `box ${fact.hue}`, cx: item.width / 2, cy: item.height / 2, r: item.width / 2 }),
        shape("text", { class: "sign", x: item.width / 2, y: item.height / 2 + 5 }, fact.lines[0]));
      return made;
    }
    const round = ["input", "output", "weight", "state"].includes(box.kind) ? Math.min(item.height, 24) / 2 : 4;
    made.append(shape("rect", { class: `box ${fact.hue}`, width: item.width, height: item.height, rx: round }), ...this.makeLines(item, fact.lines, fact.note));
    return made;
  }

  makeLines(item, lines, note) {
    const top = item.height / 2 - ((lines.length - 1) * 13) / 2 + 4, middle = item.width / 2;
    return lines.map((line, place) => {
      const made = shape("text", { class: place ? "detail" : "title", x: middle, y: short(top + place * 13) }, line);
      if (!place && note) made.append(" ", shape("tspan", { class: "note" }, note));
      return made;
    });
  }

  makeClosed(item) {
    const group = this.drawing.groups[item.closed], plural = group.operations === 1 ? "" : "s";
    const back = (by) => shape("rect", { class: "box plain under", x: by, y: by, width: item.width, height: item.height, rx: 5 });
    return shape("g", { class: "node closed", style: `transform:translate(${item.x}px,${item.y}px)`, "data-key": item.key },
      shape("title", {}, `${group.path}: double click or Enter opens it`), back(5), back(2.5),
      shape("rect", { class: "box plain", width: item.width, height: item.height, rx: 5 }),
      ...this.makeLines(item, [group.title, `${group.operations} operation${plural}`], ""),
      shape("g", { class: "toggle plus", "data-toggle": group.path },
        shape("circle", { cx: item.width, cy: 0, r: 7 }), shape("path", { d: `M${item.width - 3.5} 0h7M${item.width} -3.5v7` })));
  }

  makeWire(item) {
    const wire = this.drawing.wires[item.wire], route = this.picture.wires[item.number];
    const names = this.app.ordered(wire.axes.map(([name]) => name)), strands = this.app.strands ? names.slice(0, 6) : [];
    const made = shape("g", { class: "edge", "data-key": item.key }, shape("title", {}, wire.type));
    const gap = strands.length > 1 ? Math.min(2.1, 8 / (strands.length - 1)) : 0;
    if (!strands.length) made.append(shape("path", { class: "wire", d: route.ways.map((way) => roundedPath(way)).join("") }));
    strands.forEach((name, place) => {
      const aside = (place - (strands.length - 1) / 2) * gap;
      made.append(shape("path", { class: `wire strand ${this.app.axisClass(name)}`, "data-axis": name, d: route.ways.map((way) => roundedPath(way, -aside)).join("") }));
    });
    for (const way of route.ways) made.append(shape("path", { class: "head", d: headPath(way) }));
    if (wire.label) made.append(this.makeLabel(wire, route.label));
    return made;
  }

  /** The words beside a wire, each axis in its colour. */
  makeLabel(wire, [x, y]) {
    const made = shape("text", { class: "axes", x: short(x), y: short(y) }), parts = wire.label.split(/(, )/);
    for (const part of parts) {
      const name = wire.axes.map(([axis]) => axis).find((axis) => part === axis || part.startsWith(`${axis}=`) || part.endsWith(` ${axis}`));
      made.append(name === undefined ? part : shape("tspan", { class: this.app.axisClass(name), "data-axis": name }, part));
    }
    return made;
  }

  // ------------------------------------------------ what changes without a new layout

  /** Bring selection, axis, differences and colours to what is drawn. */
  paint() {
    const { app } = this;
    this.svg.classList.toggle("tracing", app.axis !== null);
    for (const [key, made] of this.shown) {
      const item = made.item;
      made.classList.toggle("chosen", app.isChosen(key));
      made.classList.toggle("found", app.found.has(key));
      made.classList.remove("lit", "acts", "twin");
      if (app.axis !== null) this.light(made, item);
      if (item.kind === "box") this.dress(made, item);
    }
  }

  light(made, item) {
    const { axis } = this.app, among = (names) => ["this", "twin"].filter((kind) => names?.some((name) => kinship(name, axis) === kind));
    if (item.kind === "wire") {
      made.classList.toggle("lit", among(this.drawing.wires[item.wire].axes.map(([name]) => name)).length > 0);
      for (const part of made.querySelectorAll("[data-axis]")) for (const kind of ["this", "twin"]) part.classList.toggle(kind, kinship(part.dataset.axis, axis) === kind);
    } else if (item.kind === "box") {
      const inside = item.closed === undefined ? [this.drawing.boxes[item.box]] : this.app.inside(this.drawing, item.closed);
      const facts = inside.map((box) => this.app.data.facts[box.fact]), acts = among(facts.flatMap((fact) => fact.along ?? []));
      made.classList.toggle("acts", acts.includes("this"));
      made.classList.toggle("twin", acts.length === 1 && acts[0] === "twin");
      made.classList.toggle("lit", facts.some((fact) => among(fact.axes?.map(([name]) => name)).length > 0));
    }
  }

  dress(made, item) {
    const mark = this.app.mark(this, item), heat = this.app.heat(this, item);
    for (const name of ["came", "gone", "changed"]) made.classList.toggle(name, mark.kind === name);
    made.querySelector(".badge")?.remove();
    if (mark.text) made.append(shape("text", { class: "badge", x: -2, y: -4 }, mark.text));
    const box = made.querySelector(".box:not(.under)");
    box.style.fill = heat ? heat.fill : "";
    made.classList.toggle("hot", Boolean(heat?.dark));
  }

  // ------------------------------------------------ moving about

  fit() {
    this.fitTo(1.25);
    this.app.fitted(this);
  }

  /** All of the picture, at a size of at most `most`. */
  fitTo(most) {
    const { width, height } = this.host.getBoundingClientRect(), [, , wide, high] = this.picture.groups[0];
    const k = Math.max(0.002, Math.min(most, (width - 24) / wide, (height - 24) / high));
    this.look(k, (width - wide * k) / 2, Math.max(12, (height - high * k) / 2), false);
  }

  /** The whole width, from the top, at a size that can be read. */
  begin() {
    const { width, height } = this.host.getBoundingClientRect(), [, , wide, high] = this.picture.groups[0];
    const k = Math.min(1.15, Math.max(0.55, Math.min((width - 24) / wide, (height - 24) / high)));
    const first = this.items.find((item) => item.kind === "box") ?? { x: wide / 2, width: 0 };
    const x = wide * k <= width ? (width - wide * k) / 2 : width / 2 - (first.x + first.width / 2) * k;
    this.look(k, x, high * k < height ? (height - high * k) / 2 : 12, false);
  }

  /** Show from here on; the picture beside this one comes along, unless it is told not to. */
  look(k, x, y, together = true) {
    const before = this.view;
    this.view = { k, x, y };
    this.refresh();
    if (together) this.app.moved(this, before);
  }

  /** As large as another picture, with what is chosen, or near its middle, at the same place on the screen. */
  alignWith(other) {
    const there = other.spots(), here = this.spots(), { k, x, y } = other.view;
    const shared = new Map([...there].filter(([key]) => here.has(key))), anchor = other.anchor(shared, null);
    const [fromX, fromY] = shared.get(anchor) ?? [0, 0], [toX, toY] = here.get(anchor) ?? [0, 0];
    this.look(k, x + (fromX - toX) * k, y + (fromY - toY) * k, false);
  }

  zoom(by, at = null) {
    const { width, height } = this.host.getBoundingClientRect(), [px, py] = at ?? [width / 2, height / 2];
    const k = Math.min(4, Math.max(0.002, this.view.k * by)), ratio = k / this.view.k;
    this.look(k, px - (px - this.view.x) * ratio, py - (py - this.view.y) * ratio);
  }

  pan(dx, dy) {
    this.look(this.view.k, this.view.x + dx, this.view.y + dy);
  }

  /** Bring a thing into the middle, unless it can be seen already. */
  reveal(key, always = false, together = true) {
    const item = this.items.find((one) => one.key === key);
    if (!item) return false;
    const { width, height } = this.host.getBoundingClientRect(), { x, y } = this.view, k = Math.max(this.view.k, 0.5);
    const left = item.x * k + x, top = item.y * k + y;
    const near = k === this.view.k && left > 20 && top > 20 && left + item.width * k < width - 20 && top + Math.min(item.height * k, height / 2) < height - 20;
    if (!near || always) this.look(k, width / 2 - (item.x + item.width / 2) * k, height / 2 - (item.y + Math.min(item.height / 2, height / 2 / k - 20)) * k, together);
    return true;
  }

  listen() {
    let from = null;
    this.svg.addEventListener("wheel", (event) => {
      event.preventDefault();
      const box = this.svg.getBoundingClientRect();
      if (event.ctrlKey || event.metaKey) this.zoom(Math.exp(-event.deltaY * 0.01), [event.clientX - box.left, event.clientY - box.top]);
      else this.pan(event.shiftKey ? -event.deltaY : -event.deltaX, event.shiftKey ? 0 : -event.deltaY);
    }, { passive: false });
    this.svg.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      from = { x: event.clientX, y: event.clientY, moved: false };
      this.app.active = this;
    });
    this.svg.addEventListener("pointermove", (event) => {
      this.app.hover(event.target.closest?.("[data-axis]")?.dataset.axis ?? null);
      if (!from) return;
      const dx = event.clientX - from.x, dy = event.clientY - from.y;
      if (!from.moved && Math.abs(dx) + Math.abs(dy) < 4) return;
      if (!from.moved) this.svg.setPointerCapture(event.pointerId);
      from = { x: event.clientX, y: event.clientY, moved: true };
      this.svg.classList.add("dragging");
      this.pan(dx, dy);
    });
    this.svg.addEventListener("pointerup", (event) => {
      const click = from && !from.moved;
      from = null;
      this.svg.classList.remove("dragging");
      if (click) this.clicked(event);
    });
    this.svg.addEventListener("pointerleave", () => this.app.hover(null));
    this.svg.addEventListener("dblclick", (event) => {
      const key = event.target.closest?.("[data-key]")?.dataset.key;
      if (key?.startsWith("g") && !event.target.closest("[data-toggle]")) this.app.toggle(key.slice(1), this);
    });
  }

  clicked(event) {
    const toggle = event.target.closest?.("[data-toggle]"), axis = event.target.closest?.("[data-axis]"), key = event.target.closest?.("[data-key]")?.dataset.key;
    if (toggle) this.app.toggle(toggle.dataset.toggle, this);
    else if (axis) this.app.pin(axis.dataset.axis);
    else this.app.choose(key && !key.startsWith("w") ? key : null, this);
  }

  // ------------------------------------------------ export

  /** The whole picture as it is shown now, or the part from one height to another, as an SVG with nothing outside it, and its size. */
  drawnOut(theme, part = null) {
    const margin = 8, [, , width, height] = this.picture.groups[0], { top, bottom } = part ?? { top: 0, bottom: height };
    const full = { width: width + 2 * margin, height: bottom - top + 2 * margin };
    const root = shape("svg", { xmlns: SVG, class: "graph", viewBox: `0 ${short(top)} ${short(full.width)} ${short(full.height)}`, width: short(full.width), height: short(full.height) });
    root.classList.toggle("tracing", this.app.axis !== null);
    root.append(shape("title", {}, this.app.data.title), shape("style", {}, this.app.data.style[theme]), shape("rect", { class: "page", y: short(top), width: short(full.width), height: short(full.height) }));
    const inner = shape("g", { transform: `translate(${margin} ${margin})` });
    for (const item of this.items) {
      if (item.y > bottom || item.y + item.height < top) continue;
      const made = this.make(item);
      if (item.kind === "box") this.dress(made, item);
      if (this.app.axis !== null) this.light(made, item);
      if (item.kind !== "wire") { made.removeAttribute("style"); made.setAttribute("transform", `translate(${short(item.x)} ${short(item.y)})`); }
      for (const part of made.querySelectorAll(".toggle.plus, .handle")) part.remove();
      inner.append(made);
    }
    root.append(inner);
    return [root, full];
  }

  /** The same as the text of a file. */
  exported(theme) {
    const [root, size] = this.drawnOut(theme);
    return [new XMLSerializer().serializeToString(root), size];
  }
}

// ---------------------------------------------------------------- paths

/** The way moved aside to the left of its direction; every corner is a right angle. */
function aside(way, by) {
  if (!by) return way;
  const normals = [];
  for (let at = 0; at + 1 < way.length; at++) {
    const dx = Math.sign(Math.round((way[at + 1][0] - way[at][0]) * 2)), dy = Math.sign(way[at + 1][1] - way[at][1]);
    normals.push(Math.abs(way[at + 1][0] - way[at][0]) > Math.abs(way[at + 1][1] - way[at][1]) ? [0, -dx] : [dy, 0]);
  }
  return way.map(([x, y], at) => {
    const before = normals[at - 1] ?? [0, 0], after = normals[at] ?? [0, 0];
    const same = before[0] === after[0] && before[1] === after[1];
    return [x + (same ? after[0] : before[0] + after[0]) * by, y + (same ? after[1] : before[1] + after[1]) * by];
  });
}

function pointBefore(a, b, distance) {
  const length = Math.hypot(a[0] - b[0], a[1] - b[1]), share = length ? Math.min(distance / length, 1) : 0;
  return [b[0] + (a[0] - b[0]) * share, b[1] + (a[1] - b[1]) * share];
}

/** The way with round corners; it ends where the arrow head begins. */
function roundedPath(way, by = 0) {
  const moved = aside(way, by), last = moved.length - 1;
  const points = [...moved.slice(0, -1), pointBefore(moved[last - 1], moved[last], HEAD - 1)];
  const far = (a, b) => Math.abs(a[0] - b[0]) + Math.abs(a[1] - b[1]);
  const parts = [`M${short(points[0][0])} ${short(points[0][1])}`];
  for (let at = 1; at < points.length - 1; at++) {
    const [before, corner, after] = points.slice(at - 1, at + 2), radius = Math.min(CORNER, far(before, corner) / 2, far(corner, after) / 2);
    const start = pointBefore(before, corner, radius), end = pointBefore(after, corner, radius);
    parts.push(`L${short(start[0])} ${short(start[1])}Q${short(corner[0])} ${short(corner[1])} ${short(end[0])} ${short(end[1])}`);
  }
  parts.push(`L${short(points[last][0])} ${short(points[last][1])}`);
  return parts.join("");
}

function headPath(way) {
  const [[ax, ay], [x, y]] = way.slice(-2);
  if (Math.abs(ax - x) > Math.abs(ay - y)) {
    const back = x > ax ? x - HEAD : x + HEAD;
    return `M${short(x)} ${short(y)}L${short(back)} ${short(y - 3.4)}L${short(back)} ${short(y + 3.4)}Z`;
  }
  return `M${short(x)} ${short(y)}L${short(x - 3.4)} ${short(y - HEAD)}L${short(x + 3.4)} ${short(y - HEAD)}Z`;
}
