/* The panes beside the pictures: the text, what is told of the choice, and the controls on top. */

const KEYS = [
  ["← →", "the stage before, the stage after"], ["↑ ↓", "the box above, the box below"], ["Enter", "open or close the chosen block"],
  ["e, c", "open all, close all"], ["f", "fit into the window"], ["+ −", "zoom"], ["/", "search"], ["b", "another stage beside this one"],
  ["m", "move both together, or each alone"], ["s", "axes as strands, or plain wires"], ["t", "the text, or more room"], ["Esc", "choose nothing"], ["?", "this list"],
];
const WORDS = /(#[^\n]*)|\b(attn|block|use|param|const|state|let|for|in|if|else|return|scan|yield|next|as|true|false|none|and|or|not)\b|(\d[\d_]*(?:\.\d+)?(?:[eE][-+]?\d+)?)/g;

class TextPane {
  constructor(viewer) {
    this.viewer = viewer;
    this.number = 0;
    this.tabs = byId("tabs");
    this.lines = byId("lines");
    const [source, line] = viewer.data.begin ?? [0, 1];
    this.show(source);
    this.lines.children[line - 1]?.scrollIntoView({ block: "start" });
  }

  show(number) {
    const { sources } = this.viewer.data;
    this.number = number;
    this.tabs.replaceChildren(...sources.map((source, place) => element("button", { role: "tab", "aria-selected": place === number, onclick: () => { this.show(place); this.update(); } }, source.name)));
    if (!sources.length) return;
    this.lines.replaceChildren(...sources[number].text.replace(/\n$/, "").split("\n").map((line, place) => element("div", { class: "line", "data-line": place + 1, onclick: () => this.clicked(place + 1) },
      element("span", { class: "number" }, String(place + 1)), element("code", {}, ...coloured(line)))));
  }

  /** What comes from a line: the blocks that it calls, and the boxes in none of these. The first is chosen, all are lit; clicked again, the next one. */
  clicked(line) {
    const { viewer } = this, drawing = viewer.drawingOf(viewer.active.stage);
    const from = (places) => covers(places?.find((place) => place[0] === this.number), this.number, line);
    const blocks = new Set(drawing.groups.flatMap((group, number) => (number && from(group.places) ? [`g${group.path}`] : [])));
    const within = (key) => viewer.around(key, drawing).some((one) => blocks.has(one));
    const boxes = drawing.boxes.filter((box) => from(viewer.data.facts[box.fact].places)).map((box) => `b${box.id}`);
    const keys = [...blocks, ...boxes].filter((key) => !within(key));
    viewer.found = new Set(keys);
    if (keys.length) viewer.choose(keys[(keys.indexOf(viewer.selected) + 1) % keys.length], viewer.active, true);
    else viewer.changed();
  }

  /** Mark the line of what is chosen, and more lightly the lines that call what it is in. */
  update() {
    const places = this.viewer.panel.places(), main = this.viewer.panel.asked ?? ownPlace(this.viewer, places);
    if (main && main[0] !== this.number && (this.viewer.panel.asked || !places.some((place) => place[0] === this.number))) this.show(main[0]);
    const nearest = main && main[0] === this.number ? main : places.find((place) => place[0] === this.number);
    for (const made of this.lines.children) {
      const line = Number(made.dataset.line), marked = covers(nearest, this.number, line);
      made.classList.toggle("marked", marked);
      made.classList.toggle("calling", !marked && places.some((place) => covers(place, this.number, line)));
    }
    this.lines.querySelector(".marked")?.scrollIntoView({ block: "nearest" });
  }
}

/** The place in the reader's own text: the nearest that is not in a file of the library, unless the block itself is. */
function ownPlace(viewer, places) {
  const { sources, begin } = viewer.data;
  return places.find((place) => !sources[place[0]].library) ?? places.find((place) => place[0] === begin?.[0]) ?? places[0];
}

function covers(place, source, line) {
  return Boolean(place) && place[0] === source && place[1] <= line && (line < place[3] || (line === place[3] && (place[4] > 1 || place[1] === place[3])));
}

function coloured(line) {
  const parts = [];
  let end = 0;
  for (const match of line.matchAll(WORDS)) {
    parts.push(line.slice(end, match.index), element("span", { class: match[1] ? "comment" : match[2] ? "word" : "amount" }, match[0]));
    end = match.index + match[0].length;
    if (match[1]) return parts;
  }
  return [...parts, line.slice(end)];
}

// ---------------------------------------------------------------- what is told of the choice

class Panel {
  constructor(viewer) {
    this.viewer = viewer;
    this.host = byId("panel");
    this.asked = null;
  }

  chosen() {
    const { viewer } = this, key = viewer.selected;
    if (!key) return null;
    for (const canvas of [viewer.active, ...viewer.canvases]) {
      const { drawing } = canvas;
      const box = key.startsWith("b") ? drawing.boxes.find((one) => `b${one.id}` === key) : undefined;
      const group = key.startsWith("g") ? drawing.groups.findIndex((one) => `g${one.path}` === key) : -1;
      if (box) return { drawing, box, fact: viewer.data.facts[box.fact] };
      if (group > 0) return { drawing, group };
    }
    return null;
  }

  /** Where the chosen thing is written, and the calls that lead there, the nearest first. */
  places() {
    const chosen = this.chosen();
    return this.asked ? [this.asked] : chosen?.fact?.places ?? chosen?.drawing.groups[chosen.group]?.places ?? [];
  }

  update() {
    this.asked = null;
    const chosen = this.chosen();
    this.host.replaceChildren(...(chosen === null ? this.stage() : chosen.box ? this.box(chosen) : this.group(chosen)));
  }

  section(title, ...content) {
    return content.some((part) => part) ? [element("h3", {}, title), ...content.filter((part) => part)] : [];
  }

  box({ drawing, box, fact }) {
    const { viewer } = this, operator = viewer.data.operators[fact.op], path = drawing.groups[box.group].path;
    const enters = drawing.wires.filter((wire) => wire.targets.includes(drawing.boxes.indexOf(box)));
    return [
      element("h2", {}, fact.lines[0], fact.note ? element("span", { class: "soft" }, ` ${fact.note}`) : ""),
      element("div", { class: "soft" }, [fact.op && fact.op !== fact.lines[0] ? fact.op : "", fact.name ? `called ${fact.name}` : "", path ? `in ${path}` : ""].filter(Boolean).join(", ")),
      ...this.section("Gives", fact.type ? this.type(fact.axes, fact.type) : null),
      ...this.section("Reads", ...enters.map((wire) => this.type(wire.axes, wire.type))),
      ...this.section("Works along", fact.along?.length ? this.chips(fact.along.map((name) => [name, ""])) : null),
      ...this.section("Options", fact.options ? element("code", {}, fact.options) : null),
      ...this.section("Weights", ...fact.weights.map((weight) => element("div", {}, element("code", {}, weight)))),
      ...this.section("Costs", this.costs(fact, box)),
      ...this.section("Text", ...this.links(fact.places)),
      ...(operator ? this.section(`What ${fact.op} does`, operator.call ? element("code", { class: "call" }, operator.call) : null, element("p", {}, ...quoted(operator.doc))) : []),
    ];
  }

  group({ drawing, group }) {
    const { viewer } = this, one = drawing.groups[group], boxes = viewer.inside(drawing, group);
    const facts = boxes.map((box) => viewer.data.facts[box.fact]), weights = [...new Set(facts.flatMap((fact) => fact.weights))];
    const total = (name) => facts.reduce((sum, fact) => sum + (fact[name]?.[1] ?? 0), 0);
    const open = viewer.opened.has(one.path);
    return [
      element("h2", {}, one.title),
      element("div", { class: "soft" }, `${{ block: "block", scan: "loop", choice: "choice of two ways", way: "way of a choice", part: "part of a long block" }[one.kind]}, ${one.operations} operations${one.path === one.title ? "" : `, ${one.path}`}`),
      element("p", {}, element("button", { onclick: () => viewer.toggle(one.path) }, open ? "close (Enter)" : "open (Enter)")),
      ...this.section("Text", ...this.links(one.places)),
      ...this.section("Costs", this.table([["FLOPs", amount(total("flops"))], ["bytes", amount(total("bytes"))], one.seconds === undefined ? null : ["time", seconds(one.seconds)]])),
      ...this.section("Weights", ...weights.slice(0, 60).map((weight) => element("div", {}, element("code", {}, weight))), weights.length > 60 ? element("div", { class: "soft" }, `and ${weights.length - 60} more`) : null),
    ];
  }

  stage() {
    const { viewer } = this, stage = viewer.data.stages[viewer.stage], { came, gone, changed } = viewer.controls.difference(viewer.stage);
    const cost = Object.entries({ FLOPs: "flops", bytes: "bytes", parameters: "parameters" }).map(([word, name]) => [word, `${stage.cost[name][0]}`]);
    const told = (list) => list.map((change) => element("div", { class: "change" }, ...quoted(change.text), ...change.places.slice(0, 4).flatMap((place) => [" ", this.link(place)])));
    return [
      element("h2", {}, stage.name), element("p", {}, stage.promise),
      ...(viewer.stage && !viewer.data.compare ? [element("p", { class: "soft" }, came + gone + changed ? `${gone} boxes went, ${came} came, ${changed} changed.` : "This pass changed nothing here.")] : []),
      ...this.section("What it did", ...told(stage.changes)), ...this.section("What it left", ...told(stage.left)),
      ...this.section("One run costs", this.table(cost)), ...this.section("About", stage.doc ? element("p", { class: "doc" }, joined(stage.doc)) : null),
    ];
  }

  costs(fact, box) {
    if (!fact.flops) return null;
    const row = ([word, [formula, value]]) => [word, /^\d*$/.test(formula) ? amount(value) : `${formula}${value === null ? "" : ` ≈ ${amount(value)}`}`];
    return this.table([...[["FLOPs", fact.flops], ["bytes", fact.bytes]].map(row), box.seconds === undefined ? null : ["time", seconds(box.seconds)]]);
  }

  table(rows) {
    return element("table", {}, ...rows.filter(Boolean).map(([word, value]) => element("tr", {}, element("th", {}, word), element("td", {}, value))));
  }

  type(axes, text) {
    return axes.length ? this.chips(axes) : element("code", {}, text);
  }

  chips(axes) {
    return element("div", { class: "chips" }, ...axes.map(([name, size]) => axisChip(this.viewer, name, size)));
  }

  /** The reader's own line first, then the lines it leads to, then those that call it. */
  links(places = []) {
    if (!places.length) return [];
    const own = places.indexOf(ownPlace(this.viewer, places)), row = (word) => (place) => element("div", {}, element("span", { class: "soft" }, word), this.link(place));
    return [row("")(places[own]), ...places.slice(0, own).reverse().map(row("written in ")), ...places.slice(own + 1).map(row("called from "))];
  }

  link(place) {
    const source = this.viewer.data.sources[place[0]];
    return element("a", { href: "#", onclick: (event) => { event.preventDefault(); this.asked = place; this.viewer.text.update(); } }, `${source.name}:${place[1]}`);
  }
}

function axisChip(viewer, name, size) {
  const words = size && size !== name ? `${name} = ${size}` : name;
  return element("button", { class: `chip ${viewer.axisClass(name)}`, "data-axis": name, onmouseenter: () => viewer.hover(name), onmouseleave: () => viewer.hover(null), onclick: () => viewer.pin(name) }, words);
}

/** Words with `code` in them. */
function quoted(text) {
  return text.split(/(`[^`]+`)/).map((part) => (part.startsWith("`") && part.length > 2 ? element("code", {}, part.slice(1, -1)) : part));
}

/** A comment of several lines as paragraphs: a line that does not end a sentence goes on in the next one. */
function joined(text) {
  return text.replace(/([^.:\n])\n(?=\S)/g, "$1 ");
}

function amount(value) {
  if (value === null) return "";
  const sign = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]].find(([size]) => value >= size);
  return sign ? `${(value / sign[0]).toPrecision(3)}${sign[1]}` : String(Math.round(value));
}

function seconds(value) {
  return value >= 1 ? `${value.toPrecision(3)} s` : value >= 1e-3 ? `${(value * 1e3).toPrecision(3)} ms` : `${(value * 1e6).toPrecision(3)} µs`;
}

// ---------------------------------------------------------------- the controls

class Controls {
  constructor(viewer) {
    this.viewer = viewer;
    const { data } = viewer, steps = byId("steps");
    byId("slider").max = data.stages.length - 1;
    byId("slider").addEventListener("input", (event) => viewer.setStage(Number(event.target.value)));
    steps.replaceChildren(...data.stages.map((stage, number) => element("button", { "data-stage": number, title: stage.promise, onclick: () => viewer.setStage(number) }, stage.name)));
    byId("beside").append(element("option", { value: "" }, "nothing"), ...data.stages.map((stage, number) => element("option", { value: number }, stage.name)));
    byId("beside").addEventListener("change", (event) => viewer.setBeside(event.target.value === "" ? null : Number(event.target.value)));
    byId("do-link").addEventListener("change", (event) => viewer.link(event.target.checked));
    for (const [value, word] of [["family", "kind"], ["flops", "FLOPs"], ["bytes", "bytes"], ...(data.timed ? [["time", "time"]] : [])]) byId("colour").append(element("option", { value }, word));
    byId("colour").addEventListener("change", (event) => { viewer.colour = event.target.value; viewer.changed(); });
    byId("keys").replaceChildren(...KEYS.map(([key, what]) => element("tr", {}, element("th", {}, key), element("td", {}, what))));
    const press = { open: () => viewer.openAll(true), close: () => viewer.openAll(false), fit: () => viewer.active.fit(), strands: () => this.strands(), svg: () => viewer.save("svg"), png: () => viewer.save("png"), help: () => byId("help").showModal(), text: () => this.showText() };
    for (const [name, does] of Object.entries(press)) byId(`do-${name}`).addEventListener("click", does);
    this.axes = byId("axes");
    this.showAxes(24);
    this.listenToSearch();
    addEventListener("keydown", (event) => this.key(event));
    document.addEventListener("theme", () => this.themed());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.themed());
    listenToPrinter(viewer, byId("paper"));
  }

  /** The axes on most wires, and a button for the others where there are many. */
  showAxes(most) {
    const { viewer } = this, { axes } = viewer.data, chips = axes.slice(0, most).map((name) => axisChip(viewer, name, this.sizeOf(name)));
    const more = axes.length > most ? [element("button", { class: "chip axis-star", onclick: () => this.showAxes(axes.length) }, `and ${axes.length - most} more`)] : [];
    this.axes.replaceChildren(...chips, ...more);
  }

  sizeOf(name) {
    const sizes = new Set(this.viewer.data.drawings[0].wires.flatMap((wire) => wire.axes.filter(([axis]) => axis === name).map(([, size]) => size)));
    return sizes.size === 1 ? [...sizes][0] : "";
  }

  themed() {
    this.viewer.restyle();
    this.viewer.changed();
  }

  strands() {
    this.viewer.strands = !this.viewer.strands;
    for (const canvas of this.viewer.canvases) canvas.redraw();
    this.update();
  }

  showText() {
    document.body.classList.toggle("wide");
  }

  /** What came and went from the stage before. */
  difference(stage) {
    const { viewer } = this, counts = { came: 0, gone: 0, changed: 0 };
    if (!stage || viewer.data.stages[stage].drawing === viewer.data.stages[stage - 1].drawing) return counts;
    for (const box of viewer.drawingOf(stage).boxes) {
      const there = viewer.boxOf(stage - 1, box.id);
      if (!there) counts.came += 1;
      else if (viewer.alters(box, there)) counts.changed += 1;
    }
    counts.gone = viewer.drawingOf(stage - 1).boxes.filter((box) => !viewer.boxOf(stage, box.id)).length;
    return counts;
  }

  update() {
    const { viewer } = this, { data } = viewer;
    byId("slider").value = viewer.stage;
    byId("slider").setAttribute("aria-valuetext", data.stages[viewer.stage].name);
    byId("beside").value = viewer.beside ?? "";
    byId("do-link").checked = viewer.linked;
    [...byId("steps").children].forEach((button, number) => {
      const { came, gone, changed } = this.difference(number), words = [gone ? `−${gone}` : "", came ? `+${came}` : "", changed ? `~${changed}` : ""].filter(Boolean).join(" ");
      button.classList.toggle("idle", number > 0 && !words);
      button.setAttribute("aria-pressed", number === viewer.stage);
      button.replaceChildren(data.stages[number].name, words && !data.compare ? element("small", {}, ` ${words}`) : "");
    });
    byId("right-name").textContent = data.stages[viewer.stage].name;
    byId("left-name").textContent = viewer.beside === null ? "" : data.stages[viewer.beside].name;
    byId("do-strands").setAttribute("aria-pressed", viewer.strands);
    this.legend();
    this.updateAxes();
  }

  legend() {
    const { viewer } = this, { data } = viewer, host = byId("legend");
    if (viewer.colour === "family") {
      const used = new Set(viewer.canvases.flatMap((canvas) => canvas.drawing.boxes.map((box) => data.facts[box.fact].hue)));
      host.replaceChildren(...data.hues.filter(([name]) => used.has(name)).map(([name, word]) => element("span", { class: "hue" }, element("i", { class: name }), word)));
      return;
    }
    const most = viewer.most(viewer.active), text = viewer.colour === "time" ? seconds(most) : amount(most);
    const assumed = Object.entries(data.assumed).map(([name, size]) => `${name} = ${size}`).join(", ");
    host.replaceChildren(element("span", { class: "hue" }, "0", element("i", { class: "scale" }), text), viewer.colour !== "time" && assumed ? element("span", { class: "soft" }, `at ${assumed}`) : "");
  }

  updateAxes() {
    for (const chip of document.querySelectorAll(".chip")) {
      const kind = this.viewer.axis === null || !chip.dataset.axis ? "" : kinship(chip.dataset.axis, this.viewer.axis);
      chip.classList.toggle("pinned", kind === "this");
      chip.classList.toggle("twin", kind === "twin");
    }
  }

  listenToSearch() {
    const field = byId("search"), list = byId("results"), { viewer } = this;
    let found = [], at = -1;
    const go = (number) => { at = number; if (found[at]) viewer.choose(found[at].key, viewer.active, true); mark(); };
    const mark = () => [...list.children].forEach((row, number) => row.classList.toggle("at", number === at));
    field.addEventListener("input", () => {
      found = viewer.search(field.value);
      at = -1;
      const rows = found.slice(0, 60).map((one, number) => element("button", { onclick: () => go(number) }, one.text, element("span", { class: "soft" }, ` ${one.of}`)));
      const more = found.length > 60 ? [element("div", { class: "soft" }, `and ${found.length - 60} more`)] : [];
      list.replaceChildren(...(field.value.trim() && !found.length ? [element("div", { class: "soft" }, "nothing has these words")] : [...rows, ...more]));
    });
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && found.length) go((at + (event.shiftKey ? found.length - 1 : 1)) % found.length);
      if (event.key === "Escape") { field.value = ""; field.dispatchEvent(new Event("input")); field.blur(); }
      event.stopPropagation();
    });
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, dialog")) return;
    const { viewer } = this, chosen = viewer.selected;
    const does = {
      ArrowRight: () => viewer.setStage(viewer.stage + 1), ArrowLeft: () => viewer.setStage(viewer.stage - 1),
      ArrowDown: () => viewer.step(1), ArrowUp: () => viewer.step(-1), "+": () => viewer.active.zoom(1.25), "=": () => viewer.active.zoom(1.25), "-": () => viewer.active.zoom(0.8),
      f: () => viewer.active.fit(), e: () => viewer.openAll(true), c: () => viewer.openAll(false), s: () => this.strands(), t: () => this.showText(),
      b: () => viewer.setBeside(viewer.beside === null ? Math.max(0, viewer.stage - 1) : null), m: () => viewer.link(!viewer.linked), "/": () => byId("search").focus(), "?": () => byId("help").showModal(),
      Escape: () => { viewer.found = new Set(); viewer.pinned = null; viewer.lightAxis(null); viewer.choose(null); },
    };
    if (event.key === "Enter" && chosen?.startsWith("g") && !event.target.closest("button, a")) does.Enter = () => viewer.toggle(chosen.slice(1));
    if (!does[event.key]) return;
    event.preventDefault();
    does[event.key]();
  }
}
