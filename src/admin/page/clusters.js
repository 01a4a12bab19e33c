// The clusters that have work, by their next turn.

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

function drawClusters(shown, total) {
  const some = shown.length < total ? `, the first ${shown.length} by name; all at /status` : "";
  text(byId("clusters-count"), `${whole.format(total)} with work${some}`);
  clusterRows(byId("cluster-rows"), shown);
  byId("no-work").hidden = shown.length > 0;
}
