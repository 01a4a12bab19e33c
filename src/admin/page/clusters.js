// The clusters: those with work by their next turn, and those that sleep behind a row that opens.

function dueIn(cluster) {
  if (cluster.due_in_ms === null) return cluster.turn;
  const seconds = Math.floor(cluster.due_in_ms / 1000);
  return seconds < 1 ? "in < 1 s" : `in ${whole.format(seconds)} s`;
}

function clusterCells(cluster) {
  const last = cluster.last;
  const number = (name) => (last ? whole.format(last[name]) : "–");
  const words = last ? last.reason.replaceAll("_", " ") : "–";
  return [cluster.name, dueIn(cluster), words, number("jobs"), number("layers"), number("placed"), number("booked"), number("refused")];
}

function clusterRows(body, clusters) {
  const entries = clusters.map((cluster) => [cluster.name, clusterCells(cluster)]);
  rows(body, entries, ["", "number", "word", "number", "number wide", "number wide", "number", "number"]);
  clusters.forEach((cluster, n) => { body.rows[n].cells[2].dataset.reason = cluster.last?.reason ?? ""; });
}

function drawClusters(clusters) {
  const { total, awake, shown, asleep } = clusters;
  const sleeping = total - awake;
  const some = shown.length < awake ? `, the ${shown.length} most active of them` : "";
  text(byId("clusters-count"), `${whole.format(awake)} of ${whole.format(total)} with work now or lately${some}`);
  clusterRows(byId("awake"), shown);
  byId("no-work").hidden = shown.length > 0;
  byId("fold-row").hidden = sleeping === 0;
  text(byId("fold-words"), sleeping === 1 ? "1 cluster sleeps" : `${whole.format(sleeping)} clusters sleep`);
  const open = byId("fold").getAttribute("aria-expanded") === "true";
  clusterRows(byId("asleep"), open ? asleep : []);
  const more = sleeping - asleep.length;
  byId("more-row").hidden = !open || more <= 0;
  text(byId("more"), `and ${whole.format(more)} more, all at /status`);
}

byId("fold").addEventListener("click", () => {
  const fold = byId("fold");
  fold.setAttribute("aria-expanded", String(fold.getAttribute("aria-expanded") !== "true"));
  if (latest) drawClusters(latest.clusters);
});
