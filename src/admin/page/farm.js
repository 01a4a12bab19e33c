// The farm: shows with their shares and what waits, and pauses of booking.

const percent = (share) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`;
const wholeCores = (centicores) => whole.format(Math.floor(centicores / 100));

// An age in the greatest unit of which it is at least two.
function ago(seconds) {
  if (seconds < 120) return `${Math.floor(seconds)} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

// A bar of the cores in use, with a mark at the cores that the show is entitled to.
function shareBar(cell, show) {
  let bar = cell.firstElementChild;
  if (!bar) {
    bar = clone("share-shape");
    cell.append(bar);
  }
  bar.querySelector("i").style.width = `${Math.min(100 * show.held_share, 100)}%`;
  bar.querySelector("b").style.left = `${Math.min(100 * show.entitled_share, 100)}%`;
  bar.classList.toggle("below", show.waiting_frames > 0 && show.held_share < 0.95 * show.entitled_share);
  text(bar.querySelector("span"), `${percent(show.held_share)} of ${percent(show.entitled_share)}`);
}

function drawShows(shows) {
  const name = (show) => `${show.facility}/${show.show}`;
  const reasons = (show) => show.waiting.slice(0, 3).map((by) => `${brief(by.frames)} ${by.words}`).join(" · ");
  const entries = shows.map((show) => [name(show), [
    name(show), null, wholeCores(show.held_centicores), brief(show.waiting_frames), reasons(show) || "–",
    show.oldest ? `${ago(show.oldest.seconds)}, ${show.oldest.layer}` : "–",
  ]]);
  const body = byId("show-rows");
  rows(body, entries, ["", "share", "number", "number", "reasons", "oldest wide"]);
  shows.forEach((show, n) => shareBar(body.rows[n].cells[1], show));
  byId("no-shows").hidden = shows.length > 0;
  const waiting = shows.reduce((sum, show) => sum + show.waiting_frames, 0);
  text(byId("shows-count"), `${many(waiting, "frame")} waiting`);
}

function drawStranded(stranded) {
  const lines = stranded.filter((one) => one.centicores >= 100);
  const causes = lines.map((one) => `${wholeCores(one.centicores)} ${one.words}`).join(", ");
  text(byId("stranded"), causes ? `Idle cores that no waiting frame can use: ${causes}.` : "");
}

const scopeWords = (scope) => (scope === "all" ? "everything" : scope.replace("/", " "));

// A banner for each pause, with its owner, its reason and its end.
function drawPauses(pauses) {
  const box = byId("pauses");
  while (box.children.length < pauses.length) box.append(clone("pause-shape"));
  while (box.children.length > pauses.length) box.lastChild.remove();
  pauses.forEach((pause, n) => {
    const banner = box.children[n];
    text(banner.querySelector("b"), `Booking is paused for ${scopeWords(pause.scope)}.`);
    text(banner.querySelector(".by"), ` ${pause.by}: ${pause.reason}. It goes on by itself in`);
    text(banner.querySelector(".left"), ago(Math.ceil(pause.remaining_ms / 1000)));
    banner.querySelector("button").value = pause.scope;
  });
}

byId("pauses").addEventListener("click", (event) => {
  if (event.target.value) openLever("resume", event.target.value);
});

// Layers and hosts that back off, with cause and end.
function drawBackoffs(aside, hosts) {
  const causes = { launch: "launches refused", refused: "refused by the database", held: "row held by another session" };
  const cause = (backoff) => [causes[backoff.reason] ?? backoff.reason, backoff.message, backoff.holder].filter(Boolean).join(": ");
  const left = (backoff) => `in ${ago(Math.ceil(backoff.remaining_ms / 1000))}`;
  const layers = aside.first.map((layer) => [`layer ${layer.layer}`, [`layer ${layer.name || layer.layer}`, cause(layer), left(layer)]]);
  const some = hosts.flatMap((host) => {
    const entry = (backoff, words) => [`host ${host.name}`, [`host ${host.name}`, words, left(backoff)]];
    if (host.backoff) return [entry(host.backoff, cause(host.backoff))];
    return host.missing ? [entry(host.missing, `${wholeCores(host.missing.centicores)} cores missing`)] : [];
  });
  const entries = [...layers, ...some];
  byId("backoffs").hidden = entries.length === 0;
  rows(byId("backoff-rows"), entries, ["", "", "number"]);
}

function drawFarm(sample) {
  drawShows(sample.shows ?? []);
  drawStranded(sample.stranded ?? []);
  drawPauses(sample.condition.pauses ?? []);
}
