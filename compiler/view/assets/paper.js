/* The page on paper: its pictures whole, in the colours of day, with a heading and what the colours mean. */

/** What fits on a sheet of A4 and of Letter, upright, in pixels; a picture is never larger than `most` and on one sheet while not smaller than `least`. */
const SHEET = { width: 690, height: 880, most: 0.85, least: 0.42 };

function listenToPrinter(viewer, host) {
  addEventListener("beforeprint", () => {
    const canvases = [...viewer.canvases].reverse(), sizes = canvases.map(({ picture }) => picture.groups[0].slice(2));
    const lying = sizes.every(([width, height]) => width > height * 1.15), sheet = lying ? { ...SHEET, width: SHEET.height, height: SHEET.width } : SHEET;
    host.replaceChildren(element("style", {}, `@page { size: ${lying ? "landscape" : "portrait"}; margin: 12mm; }`), ...canvases.flatMap((canvas) => sheetsOf(viewer, canvas, sheet)));
  });
  addEventListener("afterprint", () => host.replaceChildren());
}

/** The sheets that one picture takes: one where it can be read on one, else as many as its height needs. */
function sheetsOf(viewer, canvas, sheet) {
  const [, , width, height] = canvas.picture.groups[0], wide = Math.min(SHEET.most, sheet.width / width);
  const scale = Math.max(Math.min(wide, sheet.height / height), Math.min(wide, SHEET.least));
  const parts = height * scale <= sheet.height ? [null] : cutRows(canvas, sheet.height / scale);
  return parts.map((part, number) => {
    const [root, size] = canvas.drawnOut("light", part);
    Object.assign(root.style, { width: `${short(size.width * scale)}px`, height: `${short(size.height * scale)}px` });
    return element("div", { class: "sheet" }, heading(viewer, canvas, parts.length > 1 ? `, ${number + 1} of ${parts.length}` : ""), root, ...(number ? [] : [meaning(viewer)]));
  });
}

/** Heights at which to cut, at most `most` apart and if possible through no box: between them the parts. */
function cutRows(canvas, most) {
  const boxes = canvas.items.filter((item) => item.kind === "box").map((item) => [item.y - 4, item.y + item.height + 18]).sort((a, b) => a[0] - b[0]);
  const height = canvas.picture.groups[0][3], parts = [];
  for (let top = 0; top < height; ) {
    let bottom = Math.min(top + most, height);
    if (bottom < height) {
      for (const [from, to] of [...boxes].reverse()) if (from < bottom && to > bottom && from > top + most / 2) bottom = from;
    }
    parts.push({ top, bottom });
    top = bottom;
  }
  return parts;
}

function heading(viewer, canvas, place) {
  const { title, stages } = viewer.data, stage = stages[canvas.stage].name;
  return element("h2", {}, title, element("span", { class: "soft" }, `${stage === title ? "" : ` ${stage}`}${place}`));
}

/** The axes in their colours, and what the colours of boxes mean. */
function meaning(viewer) {
  const axes = viewer.data.axes.slice(0, 24).map((name) => element("span", { class: `hue ${viewer.axisClass(name)}` }, element("b", { class: "axis-name" }, name)));
  const legend = byId("legend").cloneNode(true);
  legend.removeAttribute("id");
  return element("div", { class: "meaning" }, element("div", {}, ...axes), legend);
}
