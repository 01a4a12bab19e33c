// One host: its resources, what runs on it, and what failed on it.

let shownHost = null;

function used(amount, words) {
  return amount.total ? `${words(amount.used)} of ${words(amount.total)}` : "none";
}

function memory(kib) {
  const gib = kib / 1048576;
  return gib < 10 ? `${gib.toFixed(1)} GiB` : `${whole.format(gib)} GiB`;
}

function hostNotes(host) {
  const notes = [];
  if (host.closed) notes.push(`closed: ${host.closed}`);
  if (host.silent_seconds) notes.push(`last report ${ago(host.silent_seconds)} ago`);
  if (host.backoff) notes.push(`backs off for ${ago(Math.ceil(host.backoff.remaining_ms / 1000))} (${host.backoff.reason})`);
  if (host.missing) notes.push(`${wholeCores(host.missing.centicores)} cores missing, tried again in ${ago(Math.ceil(host.missing.remaining_ms / 1000))}`);
  if (host.unresolved) notes.push(`launches of unknown outcome, about which it is asked: ${host.unresolved}`);
  if (host.reserved) notes.push(`kept for ${host.reserved.name || host.reserved.layer}, ready in ${ago(Math.ceil(host.reserved.ready_in_ms / 1000))}`);
  const unreported = (host.running ?? []).filter((one) => one.unreported).length;
  if (unreported) notes.push(`procs that no recent report names: ${unreported}`);
  if (host.with_batch) notes.push("with a batch now");
  return notes.join("; ") || "none";
}

function drawHost(host) {
  text(byId("host-title"), `${host.name}: ${host.state.replaceAll("_", " ")}`);
  const facts = {
    "host-allocation": host.allocation, "host-tags": host.tags.join(", "), "host-os": host.os.join(", "),
    "host-cores": used(host.cores, wholeCores), "host-memory": used(host.memory, memory),
    "host-gpus": used(host.gpus, String), "host-notes": hostNotes(host),
  };
  for (const [id, words] of Object.entries(facts)) text(byId(id), words);
  const running = host.running ?? [];
  const entries = running.map((one, n) => [`${one.job}/${one.frame}/${n}`, [
    one.show, `${one.job}/${one.frame}`, wholeCores(one.centicores), `${memory(one.used_kib)} of ${memory(one.memory_kib)}`, ago(one.elapsed_ms / 1000),
  ]]);
  rows(byId("host-running"), entries, ["", "", "number", "number", "number"]);
  byId("host-frames").hidden = !running.length;
  text(byId("host-idle"), host.running ? (running.length ? "" : "Nothing runs on it.") : "What runs on it cannot be read: the database does not answer.");
  drawLines(byId("host-refusals"), host.refusals.map((refusal) => `launch failed: ${refusal}`));
  byId("host-forgive").hidden = !(host.backoff || host.missing || host.state === "backing_off");
}

const askHost = (name) => asked(`hosts/${encodeURIComponent(name)}`);

async function openHost(name) {
  if (!name) return;
  try {
    const host = await askHost(name);
    shownHost = name;
    drawHost(host);
    if (!byId("host").open) byId("host").showModal();
  } catch (error) {
    text(byId("map-at"), `${name} cannot be shown: ${error.message}`);
  }
}

// The numbers of an open host stay fresh. An answer that comes after the host was closed, or another opened, opens nothing.
async function refreshHost() {
  const name = shownHost;
  if (!byId("host").open || document.hidden) return;
  try {
    const host = await askHost(name);
    if (byId("host").open && shownHost === name) drawHost(host);
  } catch {
    // The link says that the service is away; the host keeps what it had.
  }
}

byId("host-close").addEventListener("click", () => byId("host").close());
byId("host-forgive").addEventListener("click", () => openLever("forgive", shownHost));
setInterval(refreshHost, 5000);
