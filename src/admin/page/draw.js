"use strict";
// Draws a sample. Parts are made once and then only their texts and classes change, so that nothing
// jumps and nothing loses the focus.

const byId = (id) => document.getElementById(id);
const text = (node, value) => { if (node.textContent !== value) node.textContent = value; };

// Text in which the addresses of traces are links.
function linked(node, value) {
  if (node.textContent === value) return;
  const link = (href) => Object.assign(document.createElement("a"), { href, textContent: href, target: "_blank", rel: "noreferrer" });
  const parts = value.split(/(https?:\/\/\S*[^\s.,;])/);
  node.replaceChildren(...parts.map((part, n) => (n % 2 ? link(part) : part)));
}

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const short = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 3 });
const brief = (value) => (value < 100000 ? whole : short).format(value);
const rate = (value) => (value < 99.95 ? tenth : whole).format(value);

function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < 0.995) return `${(ms * 1000).toFixed(0)} µs`;
  if (ms < 9.95) return `${ms.toFixed(1)} ms`;
  if (ms < 999.5) return `${ms.toFixed(0)} ms`;
  return `${(ms / 1000).toFixed(1)} s`;
}

function uptime(seconds) {
  const two = (n) => String(n).padStart(2, "0");
  const days = Math.floor(seconds / 86400);
  const clock = `${two(Math.floor(seconds / 3600) % 24)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return days ? `${days} d ${clock}` : clock;
}

const many = (number, noun) => `${whole.format(number)} ${noun}${number === 1 ? "" : "s"}`;
const clone = (id) => byId(id).content.firstElementChild.cloneNode(true);
const standings = { idle: "idle", working: "working", held_up: "held up", bottleneck: "bottleneck" };
const parts = new Map();

function partsOf(stage, n) {
  let part = parts.get(stage.name);
  if (part) return part;
  part = { stage: clone("stage-shape"), queue: null, rates: [] };
  text(part.stage.querySelector("h3"), stage.name);
  part.stage.dataset.name = stage.name;
  const resize = part.stage.querySelector(".resize");
  if (stage.kind === "source") resize.hidden = true;
  else resize.addEventListener("click", () => openChanges(stage.name));
  resize.setAttribute("aria-label", `change the workers of ${stage.name}`);
  if (n > 0) {
    part.queue = clone("queue-shape");
    byId("flow").append(part.queue);
  }
  byId("flow").append(part.stage);
  parts.set(stage.name, part);
  return part;
}

function drawStage(stage, n) {
  const part = partsOf(stage, n);
  const find = (name) => part.stage.querySelector(name);
  part.stage.dataset.standing = stage.standing;
  text(find(".standing"), standings[stage.standing]);
  text(find(".rate b"), rate(stage.per_second));
  text(find(".busy"), `${stage.busy} of ${stage.workers}`);
  text(find(".run50"), duration(stage.run_ms.p50));
  text(find(".run99"), duration(stage.run_ms.p99));
  text(find(".skipped"), brief(stage.items.skip));
  count(find(".retried"), stage.items.retry);
  count(find(".failed"), stage.items.fatal + stage.items.panic);
  crew(find(".crew"), stage.busy, stage.workers);
  part.rates.push(stage.per_second);
  if (part.rates.length > 60) part.rates.shift();
  spark(find(".spark polyline"), part.rates);
  if (part.queue) drawQueue(part.queue, stage);
}

function count(node, value) {
  text(node, brief(value));
  node.classList.toggle("some", value > 0);
}

function crew(node, busy, workers) {
  const cells = Math.min(workers, 32);
  while (node.children.length > cells) node.lastChild.remove();
  while (node.children.length < cells) node.append(document.createElement("i"));
  const on = workers ? Math.ceil((busy / workers) * cells) : 0;
  [...node.children].forEach((cell, n) => cell.classList.toggle("on", n < on));
}

function spark(line, rates) {
  const most = Math.max(...rates, 1e-9);
  const from = 60 - rates.length;
  line.setAttribute("points", rates.map((value, n) => `${from + n},${(19 - 17 * (value / most)).toFixed(1)}`).join(" "));
}

function drawQueue(node, stage) {
  const { depth, capacity } = stage.queue;
  const find = (name) => node.querySelector(name);
  const high = stage.queue_share >= 0.75;
  node.dataset.level = high ? (stage.standing === "bottleneck" ? "jam" : "high") : "low";
  text(find(".depth"), `${depth} / ${capacity}`);
  text(find(".full"), high ? (depth < capacity ? "OFTEN FULL" : "FULL") : "");
  text(find(".wait50"), duration(stage.queue_wait_ms.p50));
  text(find(".wait99"), duration(stage.queue_wait_ms.p99));
  node.setAttribute("aria-label", `queue before ${stage.name}: ${depth} of ${capacity}`);
  const cells = Math.min(capacity, 12);
  const on = capacity ? Math.ceil((depth / capacity) * cells) : 0;
  const slots = find(".slots");
  while (slots.children.length > on) slots.lastChild.remove();
  while (slots.children.length < on) slots.append(document.createElement("i"));
  for (const slot of slots.children) slot.style.width = `calc(${100 / cells}% - 1px)`;
}

function drawLines(list, lines) {
  while (list.children.length < lines.length) list.append(document.createElement("li"));
  while (list.children.length > lines.length) list.lastChild.remove();
  lines.forEach((line, n) => linked(list.children[n], line));
}

function drawLoops(loops) {
  drawLines(byId("loops"), loops.map((loop) => {
    const trouble = loop.items.retry + loop.items.panic;
    return `${loop.name}: ${rate(loop.per_second)} / s, takes ${duration(loop.run_ms.p50)}${trouble ? `, failed ${many(trouble, "time")}` : ""}`;
  }));
}

function drawReplicas(replicas) {
  const lines = replicas.map((one) => `${one.name}${one.this ? " (this one)" : ""}: ${many(one.connections, "connection")}`);
  if (!lines.length) lines.push("not known until the database has answered");
  drawLines(byId("replicas"), lines);
}

// The replica that compares the counters with the procs, and what it found.
function drawAccounts(accounts) {
  const lines = [];
  if (accounts?.checked_ms_ago == null) lines.push("not compared yet");
  else lines.push(`compared ${duration(accounts.checked_ms_ago)} ago by ${accounts.by}${accounts.this ? " (this one)" : ""}`);
  if (accounts?.differing) lines.push(`${many(accounts.differing, "counter")} differed then`);
  if (accounts?.corrected) lines.push(`${many(accounts.corrected, "counter")} corrected since the start`);
  drawLines(byId("accounts"), lines);
}

// Rows are kept by their key; a row is made, moved or removed only when the set of keys changes.
function rows(body, entries, cells) {
  const have = new Map([...body.rows].map((row) => [row.dataset.key, row]));
  entries.forEach(([key, values], n) => {
    let row = have.get(key);
    if (!row) {
      row = document.createElement("tr");
      row.dataset.key = key;
      for (const name of cells) row.append(Object.assign(document.createElement("td"), { className: name }));
    }
    have.delete(key);
    if (body.rows[n] !== row) body.insertBefore(row, body.rows[n] ?? null);
    values.forEach((value, m) => { if (value !== null) text(row.cells[m], value); });
  });
  for (const row of have.values()) row.remove();
}

function drawCounts(id, counts) {
  const entries = counts.filter((entry) => entry.total > 0).map((entry) => [entry.name, [entry.words, rate(entry.per_second), whole.format(entry.total)]]);
  if (!entries.length) entries.push(["none", ["none so far", "", ""]]);
  rows(byId(id).tBodies[0], entries, ["", "number", "number"]);
}

function drawFigures(sample) {
  const sum = (counts, name) => counts.reduce((all, entry) => all + entry[name], 0);
  text(byId("frames-rate"), rate(sample.frames.per_second));
  text(byId("frames-total"), whole.format(sample.frames.total));
  text(byId("launch-rate"), rate(sum(sample.launches, "per_second")));
  text(byId("launch-total"), whole.format(sum(sample.launches, "total")));
  text(byId("statement-rate"), rate(sample.statements.per_second));
  const frames = sample.frames.total;
  text(byId("statement-frame"), frames ? (sample.statements.total / frames).toFixed(2) : "–");
  const hosts = sample.hosts;
  if (!hosts) return;
  const cores = (centicores) => whole.format(Math.floor(centicores / 100));
  const used = hosts.total_centicores - hosts.idle_centicores;
  text(byId("cores-share"), hosts.total_centicores ? `${((100 * used) / hosts.total_centicores).toFixed(1)} %` : "–");
  text(byId("cores"), `${cores(hosts.idle_centicores)} of ${cores(hosts.total_centicores)} idle`);
  text(byId("hosts"), whole.format(hosts.known));
  text(byId("leased"), whole.format(hosts.leased));
}

// Changes that matter are said once to those who listen to the page; numbers are not.
function announce(words) {
  text(byId("announce"), words);
}

let announced = "";

function drawCondition(sample) {
  const { draining, database_retry_ms: retry, maestro_leader: maestro, booking_failing: failing } = sample.condition;
  byId("dry-run").hidden = !sample.dry_run;
  byId("draining").hidden = !draining;
  byId("breaker").hidden = retry === null;
  byId("failing").hidden = !failing;
  text(byId("failing-reason"), failing ? `${failing.reason} (statement ${failing.statement}${failing.sqlstate ? `, SQLSTATE ${failing.sqlstate}` : ""}).` : "");
  byId("maestro").hidden = !maestro;
  text(byId("maestro-leader"), maestro ? `Its leader is session ${maestro.session}${maestro.address ? ` from ${maestro.address}` : ""}.` : "");
  text(byId("breaker-retry"), retry ? `It is asked again in ${Math.ceil(retry / 1000)}\u00a0s.` : "It is being asked again.");
  const stage = sample.verdict.bottleneck;
  const jam = stage ? `${stage} is now the bottleneck` : "no stage is a bottleneck";
  const pause = sample.condition.pauses?.[0];
  const words = retry !== null ? "the database does not answer" : pause ? `booking is paused for ${scopeWords(pause.scope)}` : failing ? "nothing can be booked" : maestro ? "Maestro plans the same shows" : draining ? "the service is stopping" : jam;
  if (announced !== words) announce(words);
  announced = words;
}

function draw(sample) {
  text(byId("replica"), sample.replica);
  text(byId("version"), sample.version);
  text(byId("uptime"), uptime(sample.uptime_seconds));
  text(byId("verdict"), sample.verdict.sentence);
  byId("verdict").dataset.kind = sample.verdict.bottleneck ? "bottleneck" : "none";
  drawCondition(sample);
  drawFigures(sample);
  drawFarm(sample);
  const loops = sample.stages.filter((stage) => stage.kind === "tick");
  sample.stages.filter((stage) => stage.kind !== "tick").forEach(drawStage);
  drawLoops(loops);
  drawReplicas(sample.replicas);
  drawAccounts(sample.accounts);
  drawClusters(sample.clusters, sample.cluster_count);
  drawCounts("refused", sample.refused);
  // The last refusal of each cap, in a sentence with the numbers that were compared.
  drawLines(byId("last-refusals"), Object.values(sample.last_refusals ?? {}));
  drawCounts("launches", sample.launches);
  offer(sample);
  offerScopes(sample);
  refreshMap();
}
