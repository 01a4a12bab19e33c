// The map of the farm: a cell for each host, with its used cores on the left and its used memory on the right. It is
// drawn on a canvas, because a farm has thousands of hosts; the line below it says what the cell under the pointer or
// the arrow keys is, and Enter or a click shows the host.

const map = { names: [], version: "", cells: "", at: -1, size: 12, columns: 1, asking: false, loaded: 0 };
const stateNames = {
  i: "idle", p: "in use", f: "full", r: "reserved", b: "backing off", l: "locked", s: "silent", d: "down", u: "lent",
};
const stateCodes = {
  i: "idle", p: "in_use", f: "full", r: "reserved", b: "backing_off", l: "locked", s: "silent", d: "down", u: "lent",
};
const closed = "lsdu";

function mapFilter() {
  const query = new URLSearchParams();
  for (const field of ["tag", "allocation", "state", "name"]) {
    const value = byId(`map-${field}`).value.trim();
    if (value) query.set(field, value);
  }
  return query;
}

async function asked(path) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(4000) });
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.error);
  return found;
}

async function refreshMap() {
  if (map.asking || document.hidden) return;
  map.asking = true;
  try {
    // The head of the page asks for the first answer, at this address without a filter, so that it comes while the page is read.
    const query = mapFilter();
    if (map.version) query.set("known", map.version);
    const found = await asked(`map?${query}`);
    if (found.names) map.names = found.names;
    Object.assign(map, { version: found.version, cells: found.cells, loaded: map.loaded + 1 });
    drawMap();
    drawLegend(found.states);
    offerAllocations(found.allocations);
    const hosts = found.states.backing_off ? (await asked("hosts?state=backing_off&limit=50")).hosts : [];
    drawBackoffs(latest?.set_aside ?? { first: [] }, hosts);
  } catch {
    // The link says that the service is away; the map keeps what it had.
  } finally {
    map.asking = false;
  }
}

function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    empty: of("empty"), cores: of("calm-fill"), memory: of("memory-fill"), ink: of("ink"), dim: of("dim"),
    r: of("warn-back"), b: of("bad-back"), warn: of("warn-fill"), bad: of("bad-fill"),
  };
}

// The largest cells with which all hosts fit.
function layOut(width) {
  for (const size of [22, 18, 15, 12, 10, 8, 7, 6]) {
    const columns = Math.max(1, Math.floor(width / size));
    if (size === 6 || Math.ceil(map.names.length / columns) * size <= 330) return { size, columns };
  }
}

function drawMap() {
  const canvas = byId("map");
  const width = canvas.parentElement.clientWidth;
  const scale = window.devicePixelRatio || 1;
  Object.assign(map, layOut(width));
  const { size, columns, cells } = map;
  const count = cells.length / 3;
  const height = Math.max(1, Math.ceil(count / columns)) * size;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    canvas.style.height = `${height}px`;
  }
  const paint = canvas.getContext("2d");
  paint.setTransform(scale, 0, 0, scale, 0, 0);
  paint.clearRect(0, 0, width, height);
  const colour = colours();
  for (let n = 0; n < count; n++) drawCell(paint, colour, n, (n % columns) * size, Math.floor(n / columns) * size, size);
  if (map.at >= count) map.at = count - 1;
  if (map.at >= 0) {
    paint.strokeStyle = colour.ink;
    paint.lineWidth = 2;
    paint.strokeRect((map.at % columns) * size, Math.floor(map.at / columns) * size, size, size);
  }
  const words = `${many(count, "host")} of the farm`;
  if (canvas.getAttribute("aria-label") !== words) canvas.setAttribute("aria-label", words);
  sayHost();
}

function drawCell(paint, colour, n, x, y, size) {
  const state = map.cells[3 * n];
  const inner = size - 1;
  paint.fillStyle = colour[state] ?? colour.empty;
  paint.fillRect(x, y, inner, inner);
  const bar = (value, from, wide, fill) => {
    const tall = Math.round((inner * value) / 35);
    paint.fillStyle = fill;
    paint.fillRect(x + from, y + inner - tall, wide, tall);
  };
  const half = Math.floor(inner / 2);
  const fill = state === "r" ? colour.warn : state === "b" ? colour.bad : closed.includes(state) ? colour.dim : null;
  bar(parseInt(map.cells[3 * n + 1], 36), 0, half, fill ?? colour.cores);
  bar(parseInt(map.cells[3 * n + 2], 36), half, inner - half, fill ?? colour.memory);
  if (!closed.includes(state)) return;
  // Closed hosts are crossed out: once if locked or lent, twice if silent or down.
  paint.strokeStyle = colour.ink;
  paint.lineWidth = 1;
  paint.beginPath();
  paint.moveTo(x, y + inner);
  paint.lineTo(x + inner, y);
  if (state === "s" || state === "d") {
    paint.moveTo(x, y);
    paint.lineTo(x + inner, y + inner);
  }
  paint.stroke();
}

function drawLegend(states) {
  for (const button of byId("map-legend").querySelectorAll("button")) {
    text(button.querySelector("b"), whole.format(states[button.value] ?? 0));
    button.setAttribute("aria-pressed", String(byId("map-state").value === button.value));
  }
}

function offerAllocations(names) {
  const select = byId("map-allocation");
  if (select.options.length === names.length + 1) return;
  const chosen = select.value;
  select.replaceChildren(new Option("all allocations", ""), ...names.map((name) => new Option(name, name)));
  select.value = chosen;
}

function sayHost() {
  const { at, cells, names } = map;
  if (at < 0) return text(byId("map-at"), cells ? "Point at a cell, or use the arrow keys, to see which host it is." : "No host fits the filter.");
  const part = (place) => percent(parseInt(cells[3 * at + place], 36) / 35);
  text(byId("map-at"), `${names[at]}: ${stateNames[cells[3 * at]]}, cores ${part(1)} and memory ${part(2)} in use`);
}

function pointAt(at) {
  const count = map.cells.length / 3;
  if (at < 0 || at >= count || at === map.at) return;
  map.at = at;
  drawMap();
}

function cellUnder(event) {
  const column = Math.floor(event.offsetX / map.size);
  const row = Math.floor(event.offsetY / map.size);
  return column < map.columns ? row * map.columns + column : -1;
}

byId("map").addEventListener("pointermove", (event) => pointAt(cellUnder(event)));
byId("map").addEventListener("click", (event) => { pointAt(cellUnder(event)); openHost(map.names[map.at]); });
byId("map").addEventListener("keydown", (event) => {
  const last = map.cells.length / 3 - 1;
  const moves = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: map.columns, ArrowUp: -map.columns, Home: -Infinity, End: Infinity };
  if (event.key === "Enter" && map.at >= 0) return openHost(map.names[map.at]);
  if (!(event.key in moves)) return;
  event.preventDefault();
  pointAt(map.at < 0 ? 0 : Math.min(Math.max(map.at + moves[event.key], 0), last));
});
byId("map-form").addEventListener("submit", (event) => event.preventDefault());
byId("map-form").addEventListener("input", () => { map.at = -1; refreshMap(); });
byId("map-legend").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const state = byId("map-state");
  state.value = state.value === button.value ? "" : button.value;
  map.at = -1;
  refreshMap();
});
window.addEventListener("resize", drawMap);
