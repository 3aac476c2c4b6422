"use strict";
/* The report: its sections, and what is chosen in it. */

const report = pageData();
const chosen = { sample: 0, site: 0, head: 0, row: 0 };
const host = document.getElementById("report");

const sampleOf = () => report.samples[chosen.sample];
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

function section(title, words, ...children) {
  const id = title.toLowerCase().replaceAll(" ", "-");
  return element("section", { id }, element("h2", {}, title), element("p", {}, words), ...children);
}

function figure(name, picture, caption = "") {
  return element("figure", {}, element("div", { class: "name" }, name), picture, ...(caption ? [element("figcaption", {}, caption)] : []));
}

function render() {
  const scroll = window.scrollY;
  const sample = sampleOf();
  const parts = [];
  if (sample.maps.length) parts.push(maps(sample), heads(sample), sinks(sample));
  if (sample.token_flow) parts.push(tokenFlow(sample));
  if (report.similarity) parts.push(similarity());
  if (sample.gates.length) parts.push(gates(sample));
  if (report.notes.length) parts.push(element("section", {}, element("h2", {}, "Notes"), element("ul", { class: "notes" }, ...report.notes.map((note) => element("li", {}, note)))));
  host.replaceChildren(...parts);
  window.scrollTo(0, scroll);
}

/** What is common to the names of all sites is not repeated: `layers[3].attention.weights` is `layers[3]`. */
const siteLabels = (() => {
  const step = (site) => Object.entries(site.steps).map(([axis, place]) => ` ${axis}=${place}`).join("");
  const names = report.sites.map((site) => (site.address.replace(/\.?weights(?=#|$)/, "") + step(site)).trim() || site.name);
  let end = 0;
  const common = (count) => names.every((name) => name.slice(-count) === names[0].slice(-count) && name.length > count);
  while (names.length > 1 && common(end + 1)) end++;
  const tail = names.length > 1 ? names[0].slice(names[0].length - end) : "";
  const cut = tail.includes(".") ? tail.length - tail.indexOf(".") : 0;
  return names.map((name) => name.slice(0, name.length - cut));
})();

// ---------------------------------------------------------------- maps

function maps(sample) {
  const most = Math.max(...report.sites.map((site) => site.head_count));
  const grid = element("div", { class: "heads", style: `grid-template-columns: max-content repeat(${most}, minmax(14px, ${most <= 6 ? 96 : 64}px))` });
  grid.append(element("span", {}), ...Array.from({ length: most }, (_, head) => element("span", { class: "label", style: "text-align: center" }, String(head))));
  sample.maps.forEach((one, site) => {
    grid.append(element("span", { class: "label" }, siteLabels[site]));
    for (let head = 0; head < most; head++) grid.append(head < one.maps.length ? thumbnail(one, site, head) : element("span", {}));
  });
  const cells = sample.maps[chosen.site].tokens_per_cell;
  const blocks = Math.max(...cells) > 1 ? ` One cell is the mean over ${cells[0]} by ${cells[1]} tokens.` : "";
  const words = `Rows read, columns are read; each row adds up to one. One picture for each head (columns) of each attention (rows).${blocks} Click one to see it large, and a row to see what its token reads.`;
  return section("Maps", words, element("div", { class: "maps" }, grid, large(sample)));
}

function thumbnail(one, site, head) {
  const canvas = element("canvas", {
    title: `${one.site}, head ${head}`, role: "button", tabindex: "0", "aria-pressed": String(site === chosen.site && head === chosen.head),
    onclick: () => { Object.assign(chosen, { site, head }); render(); },
    onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); Object.assign(chosen, { site, head }); render(); } },
  });
  return pixels(canvas, matrix(one.maps[head]));
}

function large(sample) {
  const one = sample.maps[chosen.site];
  const cells = matrix(one.maps[chosen.head]);
  const row = Math.min(chosen.row, cells.rows - 1);
  const said = element("div", { class: "said" });
  const tell = (i, j, value) => { said.textContent = i === null ? "" : `${one.rows[i]} reads ${one.keys[j]}: ${value.toFixed(3)}`; };
  const choose = (i) => { chosen.row = i; render(); };
  const figures = element("div", {});
  const grid = patches(sample, cells);
  if (grid) figures.append(overPatches(sample, one, cells, row, grid, choose));
  else figures.append(heat(cells, { rows: one.rows, columns: one.keys, width: Math.min(400, 34 * cells.columns), said: tell, onrow: choose, chosen: row, name: one.site }));
  const numbers = one.heads[chosen.head];
  const far = numbers.distance === null ? "" : `, distance ${short(numbers.distance)} tokens`;
  const caption = element("figcaption", {}, `Entropy ${short(numbers.entropy)} of ${short(numbers.most_entropy)} bits${far}. `, grid ? "" : legend(cells.most));
  const body = element("figure", {}, element("div", { class: "name" }, `${one.site}, head ${chosen.head}`), figures, said, caption);
  if (!grid && one.keys.length <= 64 && sample.tokens.length) body.append(tokens(one, cells, row, choose));
  return body;
}

/** The tokens of a text, each as dark as the chosen one reads it. */
function tokens(one, cells, row, choose) {
  const most = Math.max(...one.keys.map((_, j) => cells.at(row, j)), 1e-12);
  return element("div", { class: "tokens" }, ...one.keys.map((label, j) => {
    const part = cells.at(row, j) / most;
    return element("span", { class: j === row && one.rows.length === one.keys.length ? "reader" : "", title: cells.at(row, j).toFixed(3), style: `background: ${rgb(part * 0.8)}; color: ${inkOn(part * 0.8)}`, onclick: () => choose(j) }, label);
  }));
}

/** The rows and columns of patches, where the columns of a map are those of an image. */
function patches(sample, cells) {
  const fits = sample.grid && sample.grid[0] * sample.grid[1] + sample.extra === cells.columns;
  return fits ? sample.grid : null;
}

/** The row and column of a token of an image; of others null. */
const placeOf = (token, sample, grid) => (token < sample.extra ? null : [Math.floor((token - sample.extra) / grid[1]), (token - sample.extra) % grid[1]]);

const onGrid = (values, grid, extra) => Array.from({ length: grid[0] }, (_, i) => Array.from({ length: grid[1] }, (_, j) => values(extra + i * grid[1] + j)));

function overPatches(sample, one, cells, row, grid, choose) {
  const values = onGrid((j) => cells.at(row, j), grid, sample.extra);
  const picture = overImage(sample.image, values, { onchoose: (i, j) => choose(sample.extra + i * grid[1] + j), width: 380, chosen: placeOf(row, sample, grid) });
  const readers = Array.from({ length: sample.extra }, (_, i) => element("button", { "aria-pressed": String(i === row), onclick: () => choose(i) }, one.rows[i]));
  return element("div", {}, picture, element("div", { class: "said" }, `what ${one.rows[row]} reads, from ${short(range(matrix(values))[0])} (dark) to ${short(range(matrix(values))[1])}; click a place for what it reads `, ...readers));
}

// ---------------------------------------------------------------- numbers of heads

function heads(sample) {
  const most = Math.max(...report.sites.map((site) => site.head_count));
  const table = (value) => sample.maps.map((one, site) => Array.from({ length: most }, (_, head) => (head < one.heads.length ? value(one.heads[head], site, head) : null)));
  const figures = [
    ["Entropy, bits", table((head) => head.entropy), `0: one key takes all; ${short(sample.maps[0].heads[0].most_entropy)}: all take the same.`],
    ["Distance, tokens", table((head) => head.distance), "How far away a token reads on average."],
    ["Greatest sink", table((head) => head.greatest), "How many times its share the most read token gets."],
    ["Importance", table((head, site, place) => report.sites[site].importance?.[place] ?? null), report.importance ?? ""],
  ].filter(([, values]) => values.some((row) => row.some((value) => value !== null)));
  const columns = Array.from({ length: most }, (_, head) => String(head));
  const width = Math.min(480, Math.max(160, 38 * most));
  const made = figures.map(([name, values, caption]) => {
    const cells = matrix(values);
    return figure(name, heat(cells, { rows: siteLabels, columns, width, height: Math.min(26, Math.max(12, 400 / cells.rows)) * cells.rows, numbers: width / most > 22, name }), caption);
  });
  return section("Heads", `${plural(report.sites.length, "attention")} down, heads across. Numbers are of this sample.`, element("div", { class: "row" }, ...made));
}

function sinks(sample) {
  const all = sample.maps.flatMap((one, site) => one.heads.flatMap((head, place) => head.sinks.map((sink) => ({ ...sink, site, place }))));
  all.sort((a, b) => b.times - a.times);
  const children = [];
  const same = sample.maps.every((one) => one.key_count === sample.maps[0].key_count);
  const received = sample.maps[chosen.site].shares;
  const grid = patches(sample, { columns: received.length });
  if (grid) {
    const values = onGrid((j) => received[j], grid, sample.extra);
    const [least, most] = range(matrix(values));
    const words = "Shares of all weights, the mean over the heads. 1 is an even share. ";
    children.push(figure(`Received in ${siteLabels[chosen.site]}`, overImage(sample.image, values), element("span", {}, words, colours(least, most, sample.image))));
  } else if (same && sample.maps[0].key_count <= 64) {
    const cells = matrix(sample.maps.map((one) => one.shares));
    children.push(figure("Received, in shares", heat(cells, { rows: siteLabels, columns: sample.maps[0].keys, width: Math.min(620, 38 * cells.columns), height: 24 * cells.rows, numbers: cells.columns <= 24, name: "received" }), "The mean over the heads of each attention. 1 is an even share."));
  }
  if (all.length) {
    const lines = all.slice(0, 8).map((sink) => element("tr", {}, element("td", {}, sink.label), element("td", {}, siteLabels[sink.site]), element("td", {}, String(sink.place)), element("td", {}, `${(100 * sink.share).toFixed(1)}%`), element("td", {}, `${short(sink.times)}`)));
    const head = element("tr", {}, ...["token", "attention", "head", "of all weights", "shares"].map((word) => element("th", {}, word)));
    children.push(figure(lines.length === all.length ? plural(all.length, "sink") : `The ${lines.length} greatest of ${all.length} sinks`, element("table", { class: "numbers" }, head, ...lines)));
  }
  return section("Sinks", all.length ? "Tokens that receive more than their share of a head's weights." : "No token receives so much more than its share that it is a sink.", element("div", { class: "row" }, ...children));
}

function similarity() {
  const cells = matrix(report.similarity);
  const lines = [];
  const labels = report.sites.flatMap((site, place) => Array.from({ length: site.head_count }, (_, head) => (head === 0 ? siteLabels[place] : "")));
  report.sites.reduce((sum, site) => { if (sum) lines.push(sum); return sum + site.head_count; }, 0);
  const said = element("div", { class: "said" });
  const name = (place) => { let left = place; for (const [i, site] of report.sites.entries()) { if (left < site.head_count) return `${siteLabels[i]} head ${left}`; left -= site.head_count; } return ""; };
  const tell = (i, j, value) => { said.textContent = i === null ? "" : `${name(i)} and ${name(j)}: ${value.toFixed(2)}`; };
  const picture = heat(cells, { rows: labels, columns: [], width: 430, height: 430, most: 1, lines, said: tell, name: "similarity" });
  return section("Heads alike", "The cosine of every two heads' maps, over all their weights. 1: the same map.", figure("", picture), said, legend(1));
}

// ---------------------------------------------------------------- through the layers

function tokenFlow(sample) {
  const found = sample.token_flow;
  const places = found.flow_rows.length ? found.flow_rows : [0];
  const roll = matrix(found.rollout);
  const row = Math.min(chosen.row, roll.rows - 1);
  const children = [reached(sample, "Rollout", roll, found.labels, row, 0, "The product of the layers' maps: the part of each input token (columns) in each token at the end (rows). ")];
  if (found.flow.length) {
    const flow = matrix(found.flow);
    const words = "Maximum flow: as much as can pass from an input token (columns) through all layers, each weight the width of a pipe. ";
    children.push(reached(sample, "Flow", flow, places.map((place) => found.labels[place]), Math.max(0, places.indexOf(row)), range(flow)[0], words));
  }
  const words = `From the input to the end of ${plural(found.sites.length, "attention")}: heads averaged, and half of each layer the token itself, which is its residual path (Abnar and Zuidema, 2020).`;
  return section("Rollout and flow", words, element("div", { class: "row" }, ...children));
}

/** What of each input token (columns) reaches the end (rows): a matrix, or over the image for one row. */
function reached(sample, name, cells, rows, row, least, words) {
  const labels = sample.token_flow.labels;
  const grid = patches(sample, cells);
  if (!grid) return figure(name, heat(cells, { rows, columns: labels, width: Math.min(400, 30 * cells.columns), least, name }), element("span", {}, words, legend(cells.most, least)));
  const values = onGrid((j) => cells.at(row, j), grid, sample.extra);
  const [low, high] = range(matrix(values));
  const onchoose = (i, j) => { chosen.row = sample.extra + i * grid[1] + j; render(); };
  const picture = overImage(sample.image, values, { onchoose, chosen: placeOf(labels.indexOf(rows[row]), sample, grid) });
  return figure(`${name} to ${rows[row]}`, picture, element("span", {}, words.replaceAll(/ \((rows|columns)\)/g, ""), colours(low, high, sample.image)));
}

/** What the colours over an image mean. */
const colours = (least, most, image) => (image ? `Bright: ${short(most)}, dark: ${short(least)}.` : legend(most, least));

// ---------------------------------------------------------------- gates

function gates(sample) {
  const made = sample.gates.map((gate) => {
    const shown = gate.plane_axes ?? [];
    const figures = Object.entries(gate.along).filter(([axis]) => !shown.includes(axis))
      .map(([axis, values]) => figure(`along ${axis}`, bars(values, { axis, most: Math.max(1, gate.most), width: Math.min(420, Math.max(160, 7 * values.length)), name: gate.name })));
    if (gate.plane) figures.unshift(plane(sample, gate));
    const span = `values ${short(gate.least)} to ${short(gate.most)}, mean ${short(gate.mean)}`;
    return element("div", { class: "gate" }, element("h3", {}, gate.name), element("code", {}, gate.line), element("p", { class: "soft" }, span), element("div", { class: "row" }, ...figures));
  });
  return section("Gates", "Values, mostly between 0 and 1, that multiply others: attention to channels and places. Over axes that are not shown the mean is taken.", element("div", { class: "gates" }, ...made));
}

/** A gate over two axes: over the image where they are its places, else as a matrix. */
function plane(sample, gate) {
  const [rows, columns] = gate.plane_axes;
  const cells = matrix(gate.plane);
  const [least, most] = range(cells);
  const places = gate.is_places;
  const width = Math.min(380, Math.max(240, (200 * cells.columns) / cells.rows));
  const picture = places ? overImage(sample.image, gate.plane, { width: 240 }) : heat(cells, { width, height: Math.min(240, (width * cells.rows) / cells.columns), least, most, name: gate.name });
  return figure(`${rows} down, ${columns} across`, picture, element("span", {}, colours(least, most, places && sample.image)));
}

document.getElementById("sample").addEventListener("change", (event) => { chosen.sample = Number(event.target.value); chosen.row = 0; render(); });
document.addEventListener("theme", render);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", render);
render();
