/* The page around the pictures: what is chosen, open, lit and coloured, and the panes that tell of it. */

const byId = (id) => document.getElementById(id);

class Viewer {
  constructor(data) {
    this.data = data;
    for (const drawing of data.drawings) for (const wire of drawing.wires) Object.assign(wire, data.values[wire.value]);
    this.opened = new Set();
    this.selected = null;
    this.axis = this.pinned = null;
    this.found = new Set();
    this.strands = true;
    this.colour = "family";
    this.stage = data.compare ? 1 : 0;
    this.beside = data.compare ? 0 : null;
    this.linked = true;
    const bases = [...new Set(data.axes.filter((name) => name !== "*").map(unprimed))];
    this.axisNumbers = new Map(bases.map((name, place) => [name, place % 10]));
    this.facts = data.drawings.map((drawing) => new Map(drawing.boxes.map((box) => [box.id, box])));
    this.restyle();
    this.canvases = [new Canvas(this, byId("right"), "one")];
    this.active = this.canvases[0];
    this.panel = new Panel(this);
    this.controls = new Controls(this);
    this.text = new TextPane(this);
    this.setStage(this.stage, true);
    if (this.beside !== null) this.setBeside(this.beside);
  }

  // ------------------------------------------------ questions of the canvases

  axisClass(name) {
    const number = this.axisNumbers.get(unprimed(name));
    return number === undefined ? "axis-star" : `axis-${number}${name.endsWith("'") ? " primed" : ""}`;
  }

  /** Names of axes in the one order that they have everywhere, so that strands keep their places. */
  ordered(names) {
    return [...names].sort((a, b) => this.data.axes.indexOf(a) - this.data.axes.indexOf(b));
  }

  isChosen(key) {
    return this.selected === key;
  }

  drawingOf(stage) {
    return this.data.drawings[this.data.stages[stage].drawing];
  }

  boxOf(stage, id) {
    return this.facts[this.data.stages[stage].drawing].get(id);
  }

  /** The stage a canvas is compared with: the one beside it, or else the one before it. */
  otherStage(canvas) {
    if (this.beside !== null) return canvas === this.canvases[0] ? this.beside : this.stage;
    return canvas.stage > 0 ? canvas.stage - 1 : null;
  }

  /** Whether a thing in a canvas stays what it is at the stage it is compared with. */
  stays(key) {
    return key.startsWith("g") ? this.drawingOf(this.stage).groups.some((group) => group.path === key.slice(1)) : Boolean(this.boxOf(this.stage, Number(key.slice(1))));
  }

  /** The groups around a thing, the innermost first, as keys. */
  around(key, drawing) {
    const found = [];
    let group = key.startsWith("b")
      ? drawing.boxes.find((box) => `b${box.id}` === key)?.group
      : drawing.groups[drawing.groups.findIndex((one) => `g${one.path}` === key)]?.parent;
    for (; group; group = drawing.groups[group].parent) found.push(`g${drawing.groups[group].path}`);
    return found;
  }

  /** The boxes in a group and in the groups inside it. */
  inside(drawing, group) {
    drawing.members ??= new Map();
    if (!drawing.members.has(group)) {
      const within = new Set([group]);
      drawing.groups.forEach((one, number) => { if (number && within.has(one.parent) && number > group) within.add(number); });
      drawing.members.set(group, drawing.boxes.filter((box) => within.has(box.group)));
    }
    return drawing.members.get(group);
  }

  /** How a thing differs from the stage it is compared with. */
  mark(canvas, item) {
    const other = this.otherStage(canvas);
    if (other === null) return {};
    const arrives = this.beside === null || canvas === this.canvases[0];
    const kind = (box) => {
      const there = this.boxOf(other, box.id);
      if (!there) return arrives ? "came" : "gone";
      return this.alters(box, there) ? "changed" : "";
    };
    if (item.closed === undefined) return { kind: kind(canvas.drawing.boxes[item.box]) };
    const counts = { came: 0, gone: 0, changed: 0 };
    for (const box of this.inside(canvas.drawing, item.closed)) { const what = kind(box); if (what) counts[what] += 1; }
    const words = [["came", "+"], ["gone", "−"], ["changed", "~"]].filter(([name]) => counts[name]).map(([name, sign]) => `${sign}${counts[name]}`);
    return { text: words.join(" ") };
  }

  alters(box, there) {
    if (box.fact === there.fact) return false;
    const [one, two] = [this.data.facts[box.fact], this.data.facts[there.fact]];
    const axes = (fact) => JSON.stringify([...(fact.axes ?? [])].map(([name, size]) => `${name}=${size}`).sort());
    return axes(one) !== axes(two) || one.options !== two.options || one.op !== two.op || one.lines.join("\n") !== two.lines.join("\n");
  }

  // ------------------------------------------------ colours

  restyle() {
    byId("graph-style").textContent = this.data.style[isDark() ? "dark" : "light"];
  }

  /** What a box, or all of a closed group, weighs in the measure that colours stand for; null where it has no number. */
  weigh(drawing, item) {
    if (item.closed === undefined) return this.weighBox(drawing.boxes[item.box]);
    if (this.colour === "time" && drawing.groups[item.closed].seconds !== undefined) return drawing.groups[item.closed].seconds;
    return this.inside(drawing, item.closed).reduce((sum, box) => sum + (this.weighBox(box) ?? 0), 0);
  }

  weighBox(box) {
    return this.colour === "time" ? box.seconds ?? null : this.data.facts[box.fact][this.colour]?.[1] ?? null;
  }

  most(canvas) {
    if (canvas.mostOf !== this.colour || canvas.mostAt !== canvas.scene) {
      canvas.most = Math.max(0, ...canvas.items.filter((item) => item.kind === "box").map((item) => this.weigh(canvas.drawing, item) ?? 0));
      canvas.mostOf = this.colour;
      canvas.mostAt = canvas.scene;
    }
    return canvas.most;
  }

  heat(canvas, item) {
    if (this.colour === "family") return null;
    const value = this.weigh(canvas.drawing, item), most = this.most(canvas);
    if (value === null || !most) return { fill: isDark() ? "#161b22" : "#ffffff", dark: false };
    return heatColour(Math.sqrt(value / most), isDark());
  }

  // ------------------------------------------------ what the reader does

  setStage(stage, first = false) {
    this.stage = Math.min(Math.max(stage, 0), this.data.stages.length - 1);
    this.canvases[0].show(this.stage);
    if (first) this.canvases[0].begin();
    this.changed();
  }

  setBeside(stage) {
    this.beside = stage;
    document.body.classList.toggle("beside", stage !== null);
    if (stage === null) {
      this.canvases[1]?.svg.remove();
      this.canvases.length = 1;
      this.active = this.canvases[0];
    } else {
      if (!this.canvases[1]) this.canvases[1] = new Canvas(this, byId("left"), "beside");
      this.canvases[1].show(stage);
      for (const canvas of this.canvases) canvas.begin();
      if (this.linked) this.align(this.canvases[0]);
    }
    this.changed();
  }

  /** Let the other picture show the same at the same size: what is chosen, or else what is near the middle of this one. */
  align(canvas) {
    for (const other of this.canvases) if (other !== canvas) other.alignWith(canvas);
  }

  /** After one picture was fitted into its pane: the other shows all of itself, too, both at the size of the smaller. */
  fitted(canvas) {
    if (!this.linked) return;
    for (const other of this.canvases) if (other !== canvas) other.fitTo(canvas.view.k);
    for (const other of this.canvases) other.fitTo(Math.min(...this.canvases.map((one) => one.view.k)));
  }

  link(linked) {
    this.linked = linked;
    if (linked) this.align(this.active);
    this.controls.update();
  }

  /** The other picture is moved as far as this one, and zoomed about the same point, while the two are linked. */
  moved(canvas, before) {
    if (!this.linked) return;
    const ratio = canvas.view.k / before.k, dx = canvas.view.x - before.x * ratio, dy = canvas.view.y - before.y * ratio;
    for (const other of this.canvases) if (other !== canvas) other.look(other.view.k * ratio, other.view.x * ratio + dx, other.view.y * ratio + dy, false);
  }

  changed() {
    for (const canvas of this.canvases) canvas.paint();
    this.controls.update();
    this.panel.update();
    this.text.update();
  }

  toggle(path, canvas = this.active) {
    if (this.opened.has(path)) this.opened.delete(path);
    else this.opened.add(path);
    for (const one of this.canvases) one.show(one.stage, `g${path}`);
    this.changed();
  }

  openAll(open) {
    this.opened = new Set(open ? this.data.drawings.flatMap((drawing) => drawing.groups.slice(1).map((group) => group.path)) : []);
    for (const canvas of this.canvases) { canvas.show(canvas.stage); if (!open) canvas.begin(); }
    this.changed();
  }

  choose(key, canvas = this.active, reveal = false) {
    this.selected = key;
    if (key) {
      for (const one of reveal ? this.canvases : []) if (this.around(key, one.drawing).some((path) => !this.opened.has(path.slice(1)))) this.openAround(key, one);
      if (reveal) canvas.reveal(key);
      for (const one of this.canvases) if (one !== canvas) one.reveal(key, false, false);
    }
    this.changed();
  }

  openAround(key, canvas) {
    for (const path of this.around(key, canvas.drawing)) this.opened.add(path.slice(1));
    for (const one of this.canvases) one.show(one.stage);
  }

  hover(axis) {
    if (this.hovered === axis) return;
    this.hovered = axis;
    this.lightAxis(axis ?? this.pinned);
  }

  pin(axis) {
    this.pinned = this.pinned === axis ? null : axis;
    this.lightAxis(this.pinned);
  }

  lightAxis(axis) {
    this.axis = axis;
    for (const canvas of this.canvases) canvas.paint();
    this.controls.updateAxes();
  }

  /** Go to the box before or after the chosen one, in the order in which the graph works. */
  step(by) {
    const items = this.active.items.filter((item) => item.kind === "box").sort((a, b) => a.y - b.y || a.x - b.x);
    const now = items.findIndex((item) => item.key === this.selected);
    const next = items[now < 0 ? (by > 0 ? 0 : items.length - 1) : Math.min(Math.max(now + by, 0), items.length - 1)];
    if (next) this.choose(next.key, this.active, true);
  }

  // ------------------------------------------------ search

  /** Every box and group of the stage that has all the words in what is told of it. */
  search(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean), drawing = this.drawingOf(this.active.stage);
    if (!words.length) { this.found = new Set(); this.changed(); return []; }
    const fits = (told) => words.every((word) => told.toLowerCase().includes(word));
    const found = [];
    drawing.groups.forEach((group, number) => { if (number && fits(`${group.path} ${group.kind}`)) found.push({ key: `g${group.path}`, text: group.path, of: "block" }); });
    for (const box of drawing.boxes) {
      const fact = this.data.facts[box.fact], path = drawing.groups[box.group].path;
      const told = [fact.lines.join(" "), fact.note, fact.op, fact.name, path, ...(fact.weights ?? []), fact.type].join(" ");
      if (fits(told)) found.push({ key: `b${box.id}`, text: `${fact.lines[0]} ${fact.note}`.trim(), of: path });
    }
    this.found = new Set(found.map((one) => one.key));
    for (const canvas of this.canvases) canvas.paint();
    return found;
  }

  // ------------------------------------------------ export

  save(kind) {
    const [text, size] = this.active.exported(isDark() ? "dark" : "light"), name = this.data.title.replace(/[^\w.-]+/g, "_");
    const blob = new Blob([text], { type: "image/svg+xml" });
    if (kind === "svg") return download(blob, `${name}.svg`);
    return picture(blob, size).then((png) => download(png, `${name}.png`));
  }
}

/** An axis without its primes: `N'` is the other side of `N`, in the same colour, drawn with dashes. */
function unprimed(name) {
  return name.replace(/'+$/, "");
}

/** What a name is to the axis that is lit: "this", its "twin" with other primes, or "". */
function kinship(name, axis) {
  return name === axis ? "this" : unprimed(name) === unprimed(axis) ? "twin" : "";
}

/** A colour from cool to hot, and whether words on it must be light. `share` is from 0 to 1. */
function heatColour(share, dark) {
  const stops = dark ? [[22, 27, 34], [92, 45, 30], [190, 78, 24], [255, 166, 87]] : [[255, 255, 255], [254, 224, 182], [241, 145, 70], [179, 48, 14]];
  const at = Math.min(share, 1) * (stops.length - 1), low = Math.min(Math.floor(at), stops.length - 2), part = at - low;
  const [r, g, b] = stops[low].map((value, place) => Math.round(value + (stops[low + 1][place] - value) * part));
  return { fill: `rgb(${r},${g},${b})`, dark: dark ? share > 0.8 : share > 0.75 };
}

function download(blob, name) {
  const link = element("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** An SVG as a PNG, two pixels for one where that is not too large for a browser. */
async function picture(blob, size) {
  const url = URL.createObjectURL(blob), image = new Image();
  image.src = url;
  await image.decode();
  const most = Math.min(16000 / size.width, 16000 / size.height, Math.sqrt(1.2e8 / (size.width * size.height)));
  const scale = Math.min(2, most), canvas = element("canvas", { width: Math.ceil(size.width * scale), height: Math.ceil(size.height * scale) });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  URL.revokeObjectURL(url);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

addEventListener("DOMContentLoaded", () => { window.viewer = new Viewer(pageData()); });
