"use strict";
/* Figures: matrices with labels, bars, and heat over an image. Every one is drawn anew when the colours change. */

const SVG = "http://www.w3.org/2000/svg";

function drawn(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** Colours from nothing to all, dark on light or light on dark, as numbers. */
const SCALES = {
  light: [[255, 255, 255], [198, 219, 239], [107, 174, 214], [33, 113, 181], [8, 48, 107]],
  dark: [[13, 17, 23], [20, 52, 92], [31, 98, 166], [88, 166, 255], [218, 236, 255]],
};

function colour(part) {
  const stops = SCALES[isDark() ? "dark" : "light"];
  const at = Math.min(Math.max(part, 0), 1) * (stops.length - 1);
  const low = Math.min(Math.floor(at), stops.length - 2);
  return stops[low].map((value, place) => Math.round(value + (stops[low + 1][place] - value) * (at - low)));
}

const rgb = (part) => `rgb(${colour(part).join(",")})`;

/** The ink that is readable on a colour. */
const inkOn = (part) => (isDark() ? (part > 0.68 ? "#0d1117" : "#f0f6fc") : part > 0.55 ? "#ffffff" : "#1f2328");

/** A packed matrix, or nested lists, as {rows, columns, most, at(row, column)}. */
function matrix(packed) {
  if (Array.isArray(packed)) {
    const most = packed.reduce((found, row) => Math.max(found, ...row), 0);
    return { rows: packed.length, columns: packed.length ? packed[0].length : 0, most, at: (i, j) => packed[i][j] };
  }
  const text = atob(packed.bytes);
  const step = packed.most / 255;
  return { rows: packed.rows, columns: packed.columns, most: packed.most, at: (i, j) => text.charCodeAt(i * packed.columns + j) * step };
}

/** The least and the most of a matrix. */
function range(cells) {
  let [least, most] = [Infinity, -Infinity];
  for (let i = 0; i < cells.rows; i++) {
    for (let j = 0; j < cells.columns; j++) {
      least = Math.min(least, cells.at(i, j));
      most = Math.max(most, cells.at(i, j));
    }
  }
  return [least, most];
}

/** A canvas with one pixel for each cell, as `paint` says of its part of the way from the least to the most. */
function pixels(canvas, cells, [least, most] = [0, cells.most], paint = (part) => [...colour(part), 255]) {
  canvas.width = cells.columns;
  canvas.height = cells.rows;
  const context = canvas.getContext("2d");
  const image = context.createImageData(cells.columns, cells.rows);
  for (let i = 0; i < cells.rows; i++) {
    for (let j = 0; j < cells.columns; j++) {
      const part = most > least ? (cells.at(i, j) - least) / (most - least) : 0;
      image.data.set(paint(part), 4 * (i * cells.columns + j));
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** Over an image: what is little is dark, so that what is most stays as it is. */
const dim = (part) => [0, 0, 0, Math.round(205 * (1 - part))];

/** A number in a few letters; small ones keep two digits. */
const short = (value) => {
  const size = Math.abs(value);
  if (size === 0) return "0";
  return size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : size >= 0.1 ? value.toFixed(2) : String(Number(value.toPrecision(2)));
};

/** Every how many labels there is room for one. */
const every = (count, size, room) => Math.max(1, Math.ceil(room / Math.max(size, 0.01)));

/**
 * A matrix with labels. `options`: rows, columns (labels), width (of the cells together), height, most, numbers (write values into cells),
 * said (told what the pointer is on), chosen (a row to mark), onrow (called with a row), lines (rows and columns before which to part).
 */
function heat(cells, options) {
  const width = options.width ?? 360;
  const w = width / cells.columns;
  const h = (options.height ?? (cells.rows === cells.columns ? width : Math.min(width, 22 * cells.rows))) / cells.rows;
  const most = options.most ?? cells.most;
  const font = Math.min(11, Math.max(8, Math.min(w, h) * 0.75));
  const rows = options.rows ?? [];
  const columns = options.columns ?? [];
  const longest = (labels) => labels.reduce((found, label) => Math.max(found, [...label].length), 0);
  const left = rows.length ? longest(rows) * font * 0.56 + 10 : 0;
  const turned = longest(columns) * font * 0.6 > w;
  const top = columns.length ? (turned ? longest(columns) * font * 0.56 : font) + 8 : 2;
  const svg = drawn("svg", { width: left + width + 2, height: top + h * cells.rows + 2, viewBox: `0 0 ${left + width + 2} ${top + h * cells.rows + 2}`, role: "img", "aria-label": options.name ?? "" });
  const body = drawn("g", { transform: `translate(${left},${top})` });
  body.append(cellsOf(cells, w, h, most, options));
  body.append(drawn("rect", { width, height: h * cells.rows, fill: "none", stroke: "var(--line)" }));
  for (const line of options.lines ?? []) {
    body.append(drawn("path", { d: `M0 ${line * h}H${width}M${line * w} 0V${h * cells.rows}`, stroke: "var(--faint)", "stroke-width": 0.6, fill: "none" }));
  }
  if (options.chosen !== undefined) {
    body.append(drawn("rect", { x: 0, y: options.chosen * h, width, height: h, fill: "none", stroke: "var(--changed)", "stroke-width": 1.5 }));
  }
  const labelled = rows.filter((label) => label !== "").length;
  const step = labelled * 12 < options.height ? 1 : every(rows.length, h, font);
  rows.forEach((label, i) => {
    if (i % step === 0) body.append(drawn("text", { x: -5, y: (i + 0.5) * h, "font-size": font, "text-anchor": "end", "dominant-baseline": "central" }, label));
  });
  const across = every(columns.length, w, turned ? font : longest(columns) * font * 0.6 + 4);
  columns.forEach((label, j) => {
    if (j % across !== 0) return;
    const x = (j + 0.5) * w;
    const place = turned ? { transform: `translate(${x},-5) rotate(-90)`, "dominant-baseline": "central" } : { x, y: -6, "text-anchor": "middle" };
    body.append(drawn("text", { ...place, "font-size": font }, label));
  });
  follow(body, svg, cells, left, top, w, h, options);
  svg.append(body);
  return svg;
}

function cellsOf(cells, w, h, most, options) {
  const group = drawn("g", { "shape-rendering": "crispEdges" });
  if (cells.rows * cells.columns > 3000) {
    const canvas = pixels(document.createElement("canvas"), cells, [options.least ?? 0, most]);
    const image = drawn("image", { width: w * cells.columns, height: h * cells.rows, preserveAspectRatio: "none", style: "image-rendering: pixelated" });
    image.setAttribute("href", canvas.toDataURL());
    group.append(image);
    return group;
  }
  for (let i = 0; i < cells.rows; i++) {
    for (let j = 0; j < cells.columns; j++) {
      const value = cells.at(i, j);
      if (value === null) continue;
      const least = options.least ?? 0;
      const part = most > least ? (value - least) / (most - least) : 0;
      group.append(drawn("rect", { x: j * w, y: i * h, width: w, height: h, fill: rgb(part) }));
      if (options.numbers) {
        const size = Math.min(10.5, w * 0.36);
        group.append(drawn("text", { x: (j + 0.5) * w, y: (i + 0.5) * h, "font-size": size, "text-anchor": "middle", "dominant-baseline": "central", style: `fill: ${inkOn(part)}` }, short(value)));
      }
    }
  }
  return group;
}

/** Say what is under the pointer, and choose a row by a click. */
function follow(body, svg, cells, left, top, w, h, options) {
  const cell = (event) => {
    const box = svg.getBoundingClientRect();
    const scale = box.width / svg.viewBox.baseVal.width;
    const i = Math.floor(((event.clientY - box.top) / scale - top) / h);
    const j = Math.floor(((event.clientX - box.left) / scale - left) / w);
    return i >= 0 && j >= 0 && i < cells.rows && j < cells.columns ? [i, j] : null;
  };
  if (options.said) {
    svg.addEventListener("pointermove", (event) => {
      const found = cell(event);
      options.said(found && found[0], found && found[1], found && cells.at(...found));
    });
  }
  if (options.onrow) {
    svg.style.cursor = "pointer";
    svg.addEventListener("click", (event) => cell(event) && options.onrow(cell(event)[0]));
  }
}

/** The colours of a figure, from 0 to the most. */
function legend(most, least = 0, width = 120) {
  const start = 6 * short(least).length + 4;
  const svg = drawn("svg", { width: width + start + 40, height: 16, "aria-hidden": "true" });
  const cells = 48;
  for (let i = 0; i < cells; i++) svg.append(drawn("rect", { x: start + (i * width) / cells, y: 3, width: width / cells + 0.5, height: 10, fill: rgb(i / (cells - 1)) }));
  svg.append(drawn("rect", { x: start, y: 3, width, height: 10, fill: "none", stroke: "var(--line)" }));
  svg.append(drawn("text", { x: start - 4, y: 12, "font-size": 10, class: "soft", "text-anchor": "end" }, short(least)), drawn("text", { x: start + width + 5, y: 12, "font-size": 10, class: "soft" }, short(most)));
  return svg;
}

/** Values as bars, side by side, from the least of 0 to the most of 1. */
function bars(values, options = {}) {
  const width = options.width ?? 480;
  const height = options.height ?? 90;
  const w = width / values.length;
  const most = Math.max(1e-12, options.most ?? Math.max(...values));
  const svg = drawn("svg", { width: width + 34, height: height + 22, role: "img", "aria-label": options.name ?? "" });
  const body = drawn("g", { transform: "translate(30,6)" });
  values.forEach((value, i) => {
    const tall = (Math.max(value, 0) / most) * height;
    const bar = drawn("rect", { x: i * w + (w > 4 ? 0.5 : 0), y: height - tall, width: Math.max(w - (w > 4 ? 1 : 0), 0.3), height: tall, fill: rgb(0.72) });
    bar.append(drawn("title", {}, `${options.axis ?? ""} ${i}: ${short(value)}`));
    body.append(bar);
  });
  body.append(drawn("path", { d: `M0 0V${height}H${width}`, stroke: "var(--faint)", fill: "none" }));
  for (const part of [0, 0.5, 1]) {
    body.append(drawn("text", { x: -4, y: height * (1 - part), "font-size": 9.5, class: "soft", "text-anchor": "end", "dominant-baseline": "central" }, short(most * part)));
  }
  body.append(drawn("text", { x: 0, y: height + 13, "font-size": 9.5, class: "soft" }, "0"), drawn("text", { x: width, y: height + 13, "font-size": 9.5, class: "soft", "text-anchor": "end" }, `${options.axis ?? ""} ${values.length - 1}`));
  svg.append(body);
  return svg;
}

/** Heat over an image: `values` [rows][columns]. `options`: onchoose (called with the cell of a click), chosen (a cell to mark), width. */
function overImage(image, values, { onchoose, chosen, width = 300 } = {}) {
  const cells = matrix(values);
  const holder = element("div", { class: "over", style: `width: ${width}px` });
  holder.append(image ? element("img", { src: image, alt: "the sample" }) : element("div", { style: `width: ${width}px; aspect-ratio: ${cells.columns} / ${cells.rows}; background: var(--panel)` }));
  const canvas = pixels(element("canvas", {}), cells, range(cells), image ? dim : undefined);
  canvas.style.imageRendering = "pixelated";
  if (onchoose) {
    canvas.addEventListener("click", (event) => {
      const box = canvas.getBoundingClientRect();
      onchoose(Math.floor(((event.clientY - box.top) / box.height) * cells.rows), Math.floor(((event.clientX - box.left) / box.width) * cells.columns));
    });
  }
  holder.append(canvas);
  if (chosen) {
    const [i, j] = chosen;
    const part = (count) => `${100 / count}%`;
    holder.append(element("div", { class: "chosen", style: `left: ${(100 * j) / cells.columns}%; top: ${(100 * i) / cells.rows}%; width: ${part(cells.columns)}; height: ${part(cells.rows)}` }));
  }
  return holder;
}
