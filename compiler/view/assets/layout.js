/* The layout of ranks.py, ordering.py, coordinates.py, routing.py, frame.py and layout.py once more, step for step, because the browser
   lays out what is open. tests/view/test_browser.py compares positions with those of Python. Names and order are the same on purpose. */

const MEASURES = { RADIUS: 10, SIDE: 16, LABEL_HEIGHT: 14, LABEL_SHIFT: 5, PAD: 14, TITLE_BAND: 20 };

/** Python's round: halves go to the even neighbour. */
function roundEven(value) {
  const low = Math.floor(value);
  return value - low === 0.5 ? low + (low % 2) : Math.round(value);
}

function boxSize(kind, [widest, height], entering, leaving) {
  if (kind === "sign") return [2 * MEASURES.RADIUS, 2 * MEASURES.RADIUS];
  let width = Math.max(widest + 20, 16 * (entering + 1), 44);
  if (leaving.length > 1) width = Math.max(width, leaving.length * (Math.max(...leaving) + 3 * MEASURES.LABEL_SHIFT));
  if (kind === "input" || kind === "output") width += 6;
  return [roundEven(width / 2) * 2, height];
}

// ---------------------------------------------------------------- folding

/** What is visible where only the groups in `opened` are open: a drawing of its own, and what its parts were before. */
function fold(drawing, opened) {
  const groups = [0], place = new Map([[0, 0]]), shut = new Map();
  drawing.groups.forEach((group, number) => {
    if (!number) return;
    if (shut.has(group.parent)) shut.set(number, shut.get(group.parent));
    else if (opened.has(number)) place.set(number, groups.push(number) - 1);
    else shut.set(number, number);
  });
  const boxes = [], stands = [], closedAt = new Map();
  drawing.boxes.forEach((box, number) => {
    const group = shut.get(box.group);
    if (group === undefined) stands.push(boxes.push({ box: number, group: place.get(box.group) }) - 1);
    else {
      if (!closedAt.has(group)) closedAt.set(group, boxes.push({ closed: group, group: place.get(drawing.groups[group].parent) }) - 1);
      stands.push(closedAt.get(group));
    }
  });
  const wires = [], moved = new Map(), bundles = new Map();
  drawing.wires.forEach((wire, number) => {
    const source = stands[wire.source], targets = wire.targets.map((target) => stands[target]).filter((target) => target !== source);
    if (!targets.length) return;
    const key = boxes[source].closed === undefined ? number : `${source} ${wire.label}`;
    if (!bundles.has(key)) bundles.set(key, wires.push({ wire: number, source, targets: new Set(), width: wire.width }) - 1);
    moved.set(number, bundles.get(key));
    for (const target of targets) wires[bundles.get(key)].targets.add(target);
  });
  for (const wire of wires) wire.targets = [...wire.targets];
  const entering = boxes.map(() => 0), leaving = boxes.map(() => []);
  for (const wire of wires) {
    leaving[wire.source].push(wire.width);
    for (const target of wire.targets) entering[target] += 1;
  }
  boxes.forEach((one, number) => {
    const { kind, text, arguments: given } = one.closed === undefined ? drawing.boxes[one.box] : { kind: "closed", text: drawing.groups[one.closed].text, arguments: [] };
    Object.assign(one, { kind, size: boxSize(kind, text, entering[number], leaving[number]), arguments: [...new Set(given.map((wire) => moved.get(wire)))] });
  });
  const kept = groups.map((number) => ({ group: number, parent: place.get(drawing.groups[number].parent), titled: number > 0, titleWidth: drawing.groups[number].titleWidth }));
  return { boxes, wires, groups: kept };
}

// ---------------------------------------------------------------- ranks

function ranks(count, edges) {
  const above = Array.from({ length: count }, () => []), below = Array.from({ length: count }, () => []);
  for (const [source, target] of edges) { above[target].push(source); below[source].push(target); }
  const waiting = above.map((sources) => sources.length);
  const order = [];
  waiting.forEach((left, node) => { if (!left) order.push(node); });
  for (let at = 0; at < order.length; at++) for (const target of below[order[at]]) if (!--waiting[target]) order.push(target);
  if (order.length < count) throw new Error("the graph to be ranked has a cycle");
  const rows = new Array(count).fill(0);
  for (const node of order) for (const source of above[node]) rows[node] = Math.max(rows[node], rows[source] + 1);
  const many = above.map((sources) => new Set(sources).size), few = below.map((targets) => new Set(targets).size);
  for (let round = 0; round < 8; round++) {
    let changed = false;
    for (let at = count - 1; at >= 0; at--) {
      const node = order[at];
      if (!below[node].length || few[node] <= many[node]) continue;
      const row = below[node].reduce((least, target) => Math.min(least, rows[target]), Infinity) - 1;
      changed ||= row !== rows[node];
      rows[node] = row;
    }
    for (const node of order) {
      if (!above[node].length || many[node] < few[node]) continue;
      const row = above[node].reduce((most, source) => Math.max(most, rows[source]), -Infinity) + 1;
      changed ||= row !== rows[node];
      rows[node] = row;
    }
    if (!changed) break;
  }
  return rows;
}

// ---------------------------------------------------------------- cells

const BEND = 5;

function newCell(role, ref, left, right, more = {}) {
  return { role, ref, left, right, above: 0, below: 0, row: 0, place: 0, x: 0, ins: new Map(), outs: new Map(), fixed: false, half: 0, loose: [], ...more };
}

const linkStart = (link) => link.upper.x + link.upper.outs.get(link.wire);
const linkEnds = (link) => link.lowers.map((cell) => cell.x + cell.ins.get(link.wire));

function cut(cells, nets) {
  const height = cells.reduce((most, cell) => Math.max(most, cell.row), 0) + 1;
  const level = { rows: Array.from({ length: height }, () => []), links: Array.from({ length: height }, () => []) };
  for (const cell of cells) level.rows[cell.row].push(cell);
  for (const net of nets) {
    let upper = net.source;
    const last = Math.max(...net.targets.map((target) => target.row));
    for (let row = net.source.row; row < last; row++) {
      const lowers = net.targets.filter((target) => target.row === row + 1);
      level.links[row].push({ wire: net.wire, upper, lowers });
      if (row + 1 < last) {
        upper = newCell("bend", net.wire, BEND, BEND, { row: row + 1, ins: new Map([[net.wire, 0]]), outs: new Map([[net.wire, 0]]) });
        level.rows[row + 1].push(upper);
        lowers.push(upper);
      }
    }
  }
  renumber(level);
  return level;
}

function renumber(level) {
  for (const row of level.rows) row.forEach((cell, place) => { cell.place = place; });
}

// ---------------------------------------------------------------- ordering

function orderRows(level) {
  let size = 0;
  for (const row of level.rows) size += row.length;
  for (const links of level.links) for (const link of links) size += link.lowers.length;
  const sweeps = Math.max(4, Math.min(24, Math.floor(400000 / Math.max(size, 1))));
  let best = level.rows.map((row) => [...row]), fewest = crossings(level);
  for (let sweep = 0; sweep < sweeps && fewest; sweep++) {
    sweepRows(level, sweep % 2 === 0, sweep % 4 > 1);
    swapNeighbours(level);
    const found = crossings(level);
    if (found < fewest) { best = level.rows.map((row) => [...row]); fewest = found; }
  }
  level.rows = best;
  renumber(level);
}

function sweepRows(level, down, right) {
  const count = level.rows.length;
  for (let step = 1; step < count; step++) {
    const row = down ? step : count - 1 - step;
    sortRow(level.rows[row], meansOf(level.links[down ? row - 1 : row], down), right);
  }
}

function meansOf(links, down) {
  const found = new Map();
  const note = (cell, place) => { const sum = found.get(cell); if (sum) { sum[0] += place; sum[1] += 1; } else found.set(cell, [place, 1]); };
  for (const link of links) {
    for (const cell of link.lowers) {
      if (down) note(cell, atPlace(link.upper, link.upper.outs.get(link.wire)));
      else note(link.upper, atPlace(cell, cell.ins.get(link.wire)));
    }
  }
  return found;
}

function atPlace(cell, offset) {
  const width = cell.left + cell.right;
  return width ? cell.place + ((offset + cell.left) / width) * 0.9 : cell.place + 0.5;
}

function sortRow(row, places, right) {
  const moving = row.filter((cell) => places.has(cell)).map((cell) => { const [sum, count] = places.get(cell); return [sum / count, cell]; });
  if (right) moving.reverse();
  moving.sort((a, b) => a[0] - b[0]);
  let next = 0;
  for (let place = 0; place < row.length; place++) if (places.has(row[place])) row[place] = moving[next++][1];
  row.forEach((cell, place) => { cell.place = place; });
}

function bisectRight(sorted, value) {
  let low = 0, high = sorted.length;
  while (low < high) { const middle = (low + high) >> 1; if (value < sorted[middle]) high = middle; else low = middle + 1; }
  return low;
}

function bisectLeft(sorted, value) {
  let low = 0, high = sorted.length;
  while (low < high) { const middle = (low + high) >> 1; if (sorted[middle] < value) low = middle + 1; else high = middle; }
  return low;
}

const entryPin = (cell, wire) => (cell.fixed ? cell.ins.get(wire) : 0);

function crossings(level) {
  let total = 0;
  for (const links of level.links) {
    const ends = [];
    for (const link of links) for (const cell of link.lowers) ends.push([atPlace(link.upper, link.upper.outs.get(link.wire)), atPlace(cell, entryPin(cell, link.wire))]);
    ends.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    const seen = [];
    for (const [, end] of ends) {
      const at = bisectRight(seen, end);
      total += seen.length - at;
      seen.splice(at, 0, end);
    }
  }
  return total;
}

function swapNeighbours(level) {
  level.rows.forEach((cells, row) => {
    if (cells.length > 400) return;
    const above = row ? endsOf(level.links[row - 1], true) : new Map(), below = endsOf(level.links[row], false);
    for (let place = 0; place + 1 < cells.length; place++) {
      const left = cells[place], right = cells[place + 1];
      const now = crossingsBetween(above, left, right) + crossingsBetween(below, left, right);
      const then = crossingsBetween(above, right, left) + crossingsBetween(below, right, left);
      if (then < now) { cells[place] = right; cells[place + 1] = left; right.place = place; left.place = place + 1; }
    }
  });
}

function endsOf(links, down) {
  const found = new Map();
  const note = (cell, place) => { const known = found.get(cell); if (known) known.push(place); else found.set(cell, [place]); };
  for (const link of links) {
    for (const cell of link.lowers) {
      if (down) note(cell, atPlace(link.upper, link.upper.outs.get(link.wire)));
      else note(link.upper, atPlace(cell, entryPin(cell, link.wire)));
    }
  }
  for (const places of found.values()) places.sort((a, b) => a - b);
  return found;
}

function crossingsBetween(ends, left, right) {
  const others = ends.get(right) ?? [];
  let total = 0;
  for (const place of ends.get(left) ?? []) total += bisectLeft(others, place);
  return total;
}

// ---------------------------------------------------------------- coordinates

const GAP = 18, BEND_GAP = 6, NUDGE = 8;

function placeCells(level) {
  const above = new Map(), below = new Map();
  neighboursOf(level, above, below);
  level.rows.forEach(packRow);
  let size = 0;
  for (const cells of above.values()) size += cells.length;
  for (const row of level.rows) size += row.length;
  const rounds = Math.max(2, Math.min(8, Math.floor(300000 / Math.max(size, 1))));
  for (let round = 0; round < rounds; round++) {
    for (let row = 1; row < level.rows.length; row++) settleRow(level.rows[row], [above]);
    for (let row = level.rows.length - 2; row >= 0; row--) settleRow(level.rows[row], [below]);
  }
  for (let round = 0; round < rounds; round++) {
    for (const row of level.rows) settleRow(row, [above, below]);
    shiftRuns(level, above, below);
  }
  swapSides(level);
  loosenPins(level);
  nudgePins(level);
  let left = Infinity;
  for (const row of level.rows) for (const cell of row) left = Math.min(left, cell.x - cell.left);
  for (const row of level.rows) for (const cell of row) cell.x -= left;
}

function swapSides(level) {
  const arriving = new Map();
  for (const links of level.links) for (const link of links) for (const cell of link.lowers) {
    if (cell.loose.length !== 1 || cell.ins.size !== 2) continue;
    if (!arriving.has(cell)) arriving.set(cell, new Map());
    arriving.get(cell).set(link.wire, link);
  }
  for (const [cell, found] of arriving) {
    const side = cell.loose[0], top = [...cell.ins.keys()].find((wire) => wire !== side), pin = cell.ins.get(side);
    const near = linkStart(found.get(side)) - cell.x, far = linkStart(found.get(top)) - cell.x;
    if (Math.abs(near) < Math.abs(pin) && Math.abs(pin) <= Math.abs(far) && far * pin < 0) {
      cell.ins.set(side, 0).set(top, -pin);
      cell.loose = [top];
    }
  }
}

function loosenPins(level) {
  for (const links of level.links) for (const link of links) for (const cell of link.lowers) {
    if (!cell.loose.includes(link.wire)) continue;
    const offset = linkStart(link) - cell.x, pin = cell.ins.get(link.wire);
    if (offset * pin <= 0 || Math.abs(offset) < Math.abs(pin)) cell.ins.set(link.wire, [...cell.ins.values()].includes(0) ? pin : 0);
    else if (isFree(level.rows[cell.row], cell, offset)) cell.ins.set(link.wire, offset);
  }
}

function nudgePins(level) {
  for (const links of level.links) for (const link of links) for (const cell of link.lowers) {
    const pin = linkStart(link) - cell.x, mine = cell.ins.get(link.wire);
    if (cell.role !== "box" || cell.loose.includes(link.wire) || Math.abs(pin - mine) > NUDGE || Math.abs(pin) > cell.half) continue;
    const others = [...cell.ins].filter(([wire]) => wire !== link.wire).map(([, other]) => other);
    if (others.every((other) => Math.abs(pin - other) >= NUDGE && pin < other === mine < other)) cell.ins.set(link.wire, pin);
  }
}

function isFree(row, cell, offset) {
  if (offset < 0) return !cell.place || row[cell.place - 1].x + row[cell.place - 1].right + BEND_GAP < cell.x + offset;
  return cell.place + 1 === row.length || row[cell.place + 1].x - row[cell.place + 1].left - BEND_GAP > cell.x + offset;
}

function separation(left, right) {
  return left.right + (left.role === "bend" || right.role === "bend" ? BEND_GAP : GAP) + right.left;
}

function neighboursOf(level, above, below) {
  const note = (side, cell, value) => { const known = side.get(cell); if (known) known.push(value); else side.set(cell, [value]); };
  for (const links of level.links) for (const link of links) for (const cell of link.lowers) {
    const shift = link.upper.outs.get(link.wire) - cell.ins.get(link.wire);
    const weight = pullWeight(link.wire, link.upper, cell, link.lowers.length);
    note(above, cell, [link.upper, shift, weight]);
    note(below, link.upper, [cell, -shift, weight]);
  }
}

function pullWeight(wire, upper, lower, fan) {
  if (lower.loose.includes(wire)) return 0.5 * lower.loose.length;
  if (upper.role === "bend") return lower.role === "bend" ? 8 : 2;
  if (lower.role === "bend") return fan === 1 ? 2.1 : 0.5;
  const alone = fan === 1 && upper.outs.size === 1;
  return 1 + 2 * alone + 2 * (lower.ins.size === 1);
}

function packRow(row) {
  let x = 0;
  row.forEach((cell, place) => { x += place ? separation(row[place - 1], cell) : 0; cell.x = x; });
  for (const cell of row) cell.x -= x / 2;
}

function settleRow(row, sides) {
  const pools = [];
  let reach = 0;
  row.forEach((cell, place) => {
    reach += place ? separation(row[place - 1], cell) : 0;
    let pulls = [];
    for (const side of sides) for (const [other, shift, weight] of side.get(cell) ?? []) pulls.push([other.x + shift - reach, weight]);
    if (!pulls.length) pulls = [[cell.x - reach, 0.01]];
    let members = [[cell, reach]];
    let at = weightedMedian(pulls, cell.x - reach, sides.length > 1);
    while (pools.length && pools[pools.length - 1][0] > at) {
      const [, more, before] = pools.pop();
      pulls = more.concat(pulls);
      members = before.concat(members);
      at = weightedMedian(pulls, at, false);
    }
    pools.push([at, pulls, members]);
  });
  for (const [at, , members] of pools) for (const [cell, offset] of members) cell.x = at + offset;
}

function weightedMedian(pulls, now, stay) {
  const ordered = [...pulls].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  let half = 0;
  for (const [, weight] of ordered) half += weight;
  half /= 2;
  let before = 0;
  for (let number = 0; number < ordered.length; number++) {
    const [at, weight] = ordered[number];
    before += weight;
    if (before > half + 1e-9) return at;
    if (before >= half - 1e-9) {
      const upper = number + 1 < ordered.length ? ordered[number + 1][0] : at;
      return stay ? Math.min(Math.max(now, at), upper) : (at + upper) / 2;
    }
  }
  return now;
}

function shiftRuns(level, above, below) {
  const runs = straightRuns(level, above), runOf = new Map();
  runs.forEach((run, number) => { for (const cell of run) runOf.set(cell, number); });
  runs.forEach((run, number) => {
    const pulls = [];
    for (const cell of run) for (const side of [above, below]) for (const [other, shift, weight] of side.get(cell) ?? []) {
      if (runOf.get(other) !== number) pulls.push([other.x + shift - cell.x, weight]);
    }
    if (!pulls.length) return;
    const wish = weightedMedian(pulls, 0, true), [lowest, highest] = roomOf(level, run, runOf, number);
    const move = Math.min(Math.max(wish, lowest), highest);
    for (const cell of run) cell.x += move;
  });
}

function straightRuns(level, above) {
  const runOf = new Map();
  for (const row of level.rows) for (const cell of row) {
    let mine = [cell];
    for (const [other, shift] of above.get(cell) ?? []) {
      const theirs = runOf.get(other);
      if (Math.abs(other.x + shift - cell.x) < 0.01 && theirs !== mine) {
        const [small, large] = theirs.length < mine.length ? [theirs, mine] : [mine, theirs];
        for (const member of [...small]) { large.push(member); runOf.set(member, large); }
        mine = large;
      }
    }
    runOf.set(cell, mine);
  }
  return [...new Set(runOf.values())];
}

function roomOf(level, run, runOf, number) {
  let lowest = -Infinity, highest = Infinity;
  for (const cell of run) {
    const row = level.rows[cell.row];
    if (cell.place && runOf.get(row[cell.place - 1]) !== number) {
      const before = row[cell.place - 1];
      lowest = Math.max(lowest, before.x + separation(before, cell) - cell.x);
    }
    if (cell.place + 1 < row.length && runOf.get(row[cell.place + 1]) !== number) {
      const after = row[cell.place + 1];
      highest = Math.min(highest, after.x - separation(cell, after) - cell.x);
    }
  }
  return [Math.min(lowest, 0), Math.max(highest, 0)];
}

// ---------------------------------------------------------------- routing

const TRACK = 9, LEAST = 20, TOP = 8, BOTTOM = 17, NEAR = 4;

function channelOf(links) {
  const runs = links.map((link, number) => {
    const start = linkStart(link), ends = linkEnds(link);
    return { number, start, ends, low: Math.min(start, ...ends), high: Math.max(start, ...ends) };
  });
  const bent = sortRuns(runs.filter((run) => run.high - run.low > 0.5)), tracks = new Map();
  bent.forEach((run, place) => {
    let most = -1;
    for (let other = 0; other < place; other++) if (runsMeet(run, bent[other])) most = Math.max(most, tracks.get(bent[other].number));
    tracks.set(run.number, most + 1);
  });
  const count = Math.max(-1, ...tracks.values()) + 1;
  const height = count ? Math.max(LEAST, TOP + (count - 1) * TRACK + BOTTOM) : LEAST;
  const spare = count ? (height - TOP - BOTTOM - (count - 1) * TRACK) / 2 : 0;
  return { height, depths: runs.map((run) => (tracks.has(run.number) ? TOP + spare + tracks.get(run.number) * TRACK : null)) };
}

const runsMeet = (a, b) => a.low < b.high + NEAR && b.low < a.high + NEAR;
const runsTouch = (upper, lower) => upper.ends.some((end) => Math.abs(end - lower.start) < NEAR);

function runPrice(upper, lower) {
  let price = upper.low < lower.start && lower.start < upper.high ? 1 : 0;
  for (const end of upper.ends) if (lower.low < end && end < lower.high) price += 1;
  return price + 1000 * runsTouch(upper, lower);
}

function sortRuns(runs) {
  const ordered = [...runs].sort((a, b) => a.start - b.start || a.number - b.number);
  const rounds = ordered.length < 200 ? Math.max(12, ordered.length) : 12;
  for (let round = 0; round < rounds; round++) {
    let swapped = false;
    for (let place = 0; place + 1 < ordered.length; place++) {
      const upper = ordered[place], lower = ordered[place + 1];
      if (runPrice(lower, upper) < runPrice(upper, lower)) { ordered[place] = lower; ordered[place + 1] = upper; swapped = true; }
    }
    if (!swapped) break;
  }
  return untangled(ordered);
}

function untangled(runs) {
  const waiting = new Map(runs.map((run) => [run.number, new Set(runs.filter((other) => other !== run && runsTouch(run, other)).map((other) => other.number))]));
  const rest = [...runs], done = [];
  while (rest.length) {
    const chosen = rest.find((run) => !waiting.get(run.number).size) ?? rest[0];
    rest.splice(rest.indexOf(chosen), 1);
    done.push(chosen);
    for (const others of waiting.values()) others.delete(chosen.number);
  }
  return done;
}

function legOf(link, lower, top, bottom, track) {
  const start = linkStart(link), end = lower.x + lower.ins.get(link.wire);
  if (track === null || Math.abs(start - end) <= 0.5) return [[start, top], [end, bottom]];
  return [[start, top], [start, track], [end, track], [end, bottom]];
}

// ---------------------------------------------------------------- one level

function chainOf(groups, group) {
  const found = [group];
  while (found[found.length - 1]) found.push(groups[found[found.length - 1]].parent);
  return found.reverse();
}

/** For each group its nets by wire; and for each "wire target" the legs from the source to the target. */
function localNets(scene) {
  const nets = scene.groups.map(() => new Map()), ways = new Map();
  const chains = scene.groups.map((_, number) => chainOf(scene.groups, number));
  scene.wires.forEach((value, wire) => {
    const home = chains[scene.boxes[value.source].group];
    for (const target of value.targets) {
      const legs = legsOf(wire, value.source, home, target, chains[scene.boxes[target].group]);
      for (const [group, source, end] of legs) {
        if (!nets[group].has(wire)) nets[group].set(wire, { source, targets: new Set() });
        nets[group].get(wire).targets.add(end);
      }
      ways.set(`${wire} ${target}`, legs.map(([group, , end]) => [group, end]));
    }
  });
  return [nets, ways];
}

function legsOf(wire, source, home, target, goal) {
  let shared = 0;
  while (shared + 1 < Math.min(home.length, goal.length) && home[shared + 1] === goal[shared + 1]) shared += 1;
  const legs = [];
  let start = `box ${source}`;
  for (const group of home.slice(shared + 1).reverse()) {
    legs.push([group, start, `out ${wire}`]);
    start = `group ${group}`;
  }
  for (let place = shared; place < goal.length; place++) {
    const end = place + 1 < goal.length ? `group ${goal[place + 1]}` : `box ${target}`;
    legs.push([goal[place], start, end]);
    start = `in ${wire}`;
  }
  return legs;
}

function layOutLevel(scene, frames, ends, nets, group) {
  const entering = new Map(), leaving = new Map();
  const note = (side, end, wire) => { const known = side.get(end); if (known) known.push(wire); else side.set(end, [wire]); };
  for (const [wire, net] of nets) {
    note(leaving, net.source, wire);
    for (const end of net.targets) note(entering, end, wire);
  }
  const edges = [...nets.values()].filter((net) => net.source.startsWith("in ")).map((net) => net.source);
  for (const net of nets.values()) for (const end of net.targets) if (end.startsWith("out ")) edges.push(end);
  const cells = new Map([...ends, ...edges].map((end) => [end, cellOf(scene, frames, end, entering.get(end) ?? [], leaving.get(end) ?? [])]));
  const listed = [...nets].map(([wire, net]) => ({ wire, source: cells.get(net.source), targets: [...net.targets].map((end) => cells.get(end)) }));
  setRows([...cells.values()], listed);
  const level = cut([...cells.values()], listed);
  orderRows(level);
  setPins(scene, level);
  placeCells(level);
  return finishFrame(level, cells, nets, scene.groups[group]);
}

function cellOf(scene, frames, end, entering, leaving) {
  const [role, number] = end.split(" "), ref = Number(number);
  const zeros = (wires) => new Map(wires.map((wire) => [wire, 0]));
  if (role === "group") {
    const frame = frames[ref], half = frame.width / 2;
    const moved = (pins) => new Map([...pins].map(([wire, x]) => [wire, x - half]));
    return newCell("group", ref, half, half, { above: frame.height / 2, below: frame.height / 2, ins: moved(frame.ins), outs: moved(frame.outs), fixed: true });
  }
  if (role !== "box") return newCell(role, ref, 5, 5, { ins: zeros(entering), outs: zeros(leaving) });
  const box = scene.boxes[ref], texts = leaving.map((wire) => scene.wires[wire].width);
  const [width, height] = box.size, half = width / 2;
  const [outs, reach] = spreadPins(leaving, texts, width);
  const label = texts.some((text) => text) ? MEASURES.LABEL_HEIGHT : 0;
  const ins = new Map(box.arguments.map((wire, place) => [wire, width * ((place + 1) / (box.arguments.length + 1) - 0.5)]));
  const margin = box.kind === "sign" && entering.length > 1 ? MEASURES.SIDE + 2 : 0;
  const left = Math.max(half + margin, outs.size ? -Math.min(...outs.values()) : 0);
  return newCell("box", ref, left, Math.max(half + margin, reach), {
    above: height / 2, below: height / 2 + label, ins: ins.size ? ins : zeros(entering), outs,
    fixed: box.arguments.length > 0, half: half <= MEASURES.RADIUS ? MEASURES.RADIUS / 3 : half - 8,
  });
}

function spreadPins(leaving, texts, width) {
  if (leaving.length === 1) return [new Map([[leaving[0], 0]]), MEASURES.LABEL_SHIFT + texts[0]];
  const outs = new Map(leaving.map((wire, place) => [wire, ((place + 0.5) / leaving.length - 0.5) * width]));
  const reaches = leaving.map((wire, place) => outs.get(wire) + MEASURES.LABEL_SHIFT + texts[place]);
  return [outs, reaches.length ? Math.max(...reaches) : 0];
}

function setRows(cells, nets) {
  const numbers = new Map(cells.map((cell, number) => [cell, number]));
  const edges = [];
  for (const net of nets) for (const target of net.targets) edges.push([numbers.get(net.source), numbers.get(target)]);
  const rows = ranks(cells.length, edges);
  const inner = rows.filter((_, number) => cells[number].role !== "in" && cells[number].role !== "out");
  const first = (cells.some((cell) => cell.role === "in") ? 1 : 0) - (inner.length ? Math.min(...inner) : 0);
  const last = (inner.length ? Math.max(...inner) : 0) + first + 1;
  cells.forEach((cell, number) => { cell.row = cell.role === "in" ? 0 : cell.role === "out" ? last : rows[number] + first; });
}

function setPins(scene, level) {
  const arriving = new Map();
  for (const links of level.links) for (const link of links) for (const cell of link.lowers) {
    if (cell.role !== "box" || cell.ins.size < 2 || cell.fixed) continue;
    if (!arriving.has(cell)) arriving.set(cell, []);
    arriving.get(cell).push(link);
  }
  for (const [cell, links] of arriving) {
    const at = (link) => link.upper.outs.get(link.wire);
    links.sort((a, b) => a.upper.place - b.upper.place || at(a) - at(b) || a.wire - b.wire);
    const box = scene.boxes[cell.ref];
    if (box.kind === "sign" && links.length === 2) signPins(cell, links);
    else boxPins(cell, links, box.size[0]);
  }
}

function boxPins(cell, links, width) {
  const near = links.flatMap((link, place) => (link.upper.role === "box" || link.upper.role === "group" ? [place] : []));
  if (near.length !== 1 || cell.outs.size !== 1 || width <= 2 * MEASURES.RADIUS) {
    links.forEach((link, place) => cell.ins.set(link.wire, width * ((place + 1) / (links.length + 1) - 0.5)));
    return;
  }
  const left = near[0], right = links.length - 1 - near[0];
  links.forEach((link, place) => cell.ins.set(link.wire, (width / 2) * (place < left ? (place - left) / (left + 1) : (place - left) / (right + 1))));
}

function signPins(cell, [left, right]) {
  const side = MEASURES.RADIUS + MEASURES.SIDE;
  if (left.upper.role !== "bend" && right.upper.role !== "bend" && left.upper !== right.upper) {
    cell.ins.set(left.wire, -side).set(right.wire, side);
    cell.loose = [left.wire, right.wire];
    return;
  }
  const rank = (link) => [link.upper.role === "bend" ? 1 : 0, link.upper.role === "in" ? 1 : 0, link.wire];
  const [a, b] = [rank(left), rank(right)];
  const first = (a[0] - b[0] || a[1] - b[1] || a[2] - b[2]) <= 0 ? left : right;
  cell.ins.set(first.wire, 0);
  const [other, offset] = first === left ? [right, side] : [left, -side];
  cell.ins.set(other.wire, offset);
  cell.loose = [other.wire];
}

function finishFrame(level, cells, nets, group) {
  const enters = level.rows[0].some((cell) => cell.role === "in"), leaves = level.rows[level.rows.length - 1].some((cell) => cell.role === "out");
  const band = group.titled ? MEASURES.TITLE_BAND : 0, middles = [], tracks = new Map();
  let y = enters ? 0 : band + MEASURES.PAD;
  level.rows.forEach((row, number) => {
    middles.push(y + row.reduce((most, cell) => Math.max(most, cell.above), row.length ? -Infinity : 0));
    y = middles[number] + row.reduce((most, cell) => Math.max(most, cell.below), row.length ? -Infinity : 0);
    y += enters && !number ? band : 0;
    const space = channelOf(level.links[number]);
    level.links[number].forEach((link, place) => tracks.set(link, space.depths[place] === null ? null : y + space.depths[place]));
    y += number + 1 < level.rows.length ? space.height : 0;
  });
  let width = 0;
  for (const row of level.rows) for (const cell of row) width = Math.max(width, cell.x + cell.right);
  const frame = { width: width + 2 * MEASURES.PAD, height: leaves ? y : y + MEASURES.PAD, ins: new Map(), outs: new Map(), centres: new Map(), paths: new Map(), titleX: MEASURES.PAD };
  fillFrame(frame, level, cells, nets, middles, tracks);
  if (group.titled) placeTitle(frame, group.titleWidth);
  return frame;
}

function fillFrame(frame, level, cells, nets, middles, tracks) {
  const reached = new Map();
  for (const links of level.links) for (const link of links) for (const cell of link.lowers) {
    if (!reached.has(cell)) reached.set(cell, new Map());
    reached.get(cell).set(link.wire, link);
  }
  for (const row of level.rows) for (const cell of row) cell.x += MEASURES.PAD;
  for (const [end, cell] of cells) frame.centres.set(end, [cell.x, middles[cell.row]]);
  for (const [wire, net] of nets) {
    if (net.source.startsWith("in ")) frame.ins.set(wire, cells.get(net.source).x);
    for (const end of net.targets) {
      if (end.startsWith("out ")) frame.outs.set(wire, cells.get(end).x);
      frame.paths.set(`${wire} ${end}`, wayTo(wire, cells.get(end), reached, middles, tracks));
    }
  }
}

function wayTo(wire, cell, reached, middles, tracks) {
  const legs = [];
  for (;;) {
    const link = reached.get(cell).get(wire);
    const top = middles[link.upper.row] + (link.upper.role === "group" ? link.upper.below : 0);
    const bottom = middles[cell.row] - (cell.role === "group" ? cell.above : 0);
    legs.push(legOf(link, cell, top, bottom, tracks.get(link)));
    if (link.upper.role !== "bend") return legs.reverse().flat();
    cell = link.upper;
  }
}

function placeTitle(frame, wide) {
  let left = MEASURES.PAD - 4;
  for (const x of [...frame.ins.values()].sort((a, b) => a - b)) {
    if (x - 8 >= left + wide) break;
    left = x + 8;
  }
  frame.titleX = left;
  frame.width = Math.max(frame.width, left + wide + MEASURES.PAD);
}

// ---------------------------------------------------------------- the whole picture

/** Positions of everything in a folded drawing: boxes and groups as [x, y, width, height], titles as [x, y], wires as ways and a label. */
function layOut(scene) {
  const [nets, ways] = localNets(scene), members = scene.groups.map(() => []);
  scene.boxes.forEach((box, number) => members[box.group].push(`box ${number}`));
  scene.groups.forEach((group, number) => { if (number) members[group.parent].push(`group ${number}`); });
  const frames = [];
  for (let number = scene.groups.length - 1; number >= 0; number--) frames[number] = layOutLevel(scene, frames, members[number], nets[number], number);
  const corners = [[0, 0]];
  scene.groups.forEach((group, number) => {
    if (!number) return;
    const [left, top] = corners[group.parent], [x, y] = frames[group.parent].centres.get(`group ${number}`);
    corners.push([left + x - frames[number].width / 2, top + y - frames[number].height / 2]);
  });
  const boxes = scene.boxes.map((box, number) => {
    const [left, top] = corners[box.group], [x, y] = frames[box.group].centres.get(`box ${number}`), [width, height] = box.size;
    return [left + x - width / 2, top + y - height / 2, width, height];
  });
  return {
    boxes, groups: corners.map(([x, y], number) => [x, y, frames[number].width, frames[number].height]),
    titles: corners.map(([x, y], number) => [x + frames[number].titleX, y + 14]),
    wires: scene.wires.map((value, wire) => routeOf(scene, frames, wire, value, boxes, corners, ways)),
  };
}

function routeOf(scene, frames, wire, value, boxes, corners, ways) {
  const source = boxes[value.source];
  const found = value.targets.map((target) => {
    const points = [];
    for (const [group, end] of ways.get(`${wire} ${target}`)) {
      const [left, top] = corners[group];
      for (const [x, y] of frames[group].paths.get(`${wire} ${end}`)) points.push([left + x, top + y]);
    }
    return between(points, scene.boxes[target], source, boxes[target]);
  });
  return { ways: found, label: [found[0][0][0] + MEASURES.LABEL_SHIFT, source[1] + source[3] + 11] };
}

function between(points, box, source, target) {
  const first = points[0][0], last = points[points.length - 1][0], bottom = source[1] + source[3];
  const all = [[first, bottom], ...points.slice(1, -1).filter((point) => point[1] > bottom), [last, entryOf(box, target, last)]];
  const middle = target[0] + target[2] / 2;
  if (box.kind === "sign" && Math.abs(last - middle) > MEASURES.RADIUS) all.push([middle + MEASURES.RADIUS * (last > middle ? 1 : -1), target[1] + target[3] / 2]);
  return straightened(all);
}

function entryOf(box, target, x) {
  if (box.kind !== "sign") return target[1];
  const aside = x - target[0] - target[2] / 2;
  if (Math.abs(aside) > MEASURES.RADIUS) return target[1] + target[3] / 2;
  return target[1] + MEASURES.RADIUS - Math.sqrt(MEASURES.RADIUS ** 2 - aside ** 2);
}

function straightened(points) {
  const near = (a, b) => Math.abs(a - b) < 0.01;
  const inLine = (a, b, c) => (near(a[0], b[0]) && near(b[0], c[0])) || (near(a[1], b[1]) && near(b[1], c[1]));
  const kept = [];
  for (const point of points) {
    const last = kept[kept.length - 1];
    if (last && near(last[0], point[0]) && near(last[1], point[1])) continue;
    while (kept.length > 1 && inLine(kept[kept.length - 2], kept[kept.length - 1], point)) kept.pop();
    kept.push(point);
  }
  return kept;
}
