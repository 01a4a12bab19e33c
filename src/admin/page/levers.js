// Levers: pause and resume booking, and forgive a host. Each needs the token, a name and a reason.

const levers = { pause: "Pause booking", resume: "Resume booking", forgive: "Forgive a host" };

function openLever(lever, object) {
  openChanges(null);
  byId("lever").value = lever;
  showLever();
  if (lever === "forgive") byId("lever-host").value = object ?? "";
  else if (object) byId("lever-scope").value = object;
  byId("lever-reason").focus();
}

function showLever() {
  const lever = byId("lever").value;
  byId("lever-scope").parentElement.hidden = lever === "forgive";
  byId("lever-minutes").parentElement.hidden = lever !== "pause";
  byId("lever-host").parentElement.hidden = lever !== "forgive";
  text(byId("lever-pull"), levers[lever]);
}

function offerScopes(sample) {
  const shows = (sample.shows ?? []).flatMap((show) => [`facility/${show.facility}`, `show/${show.show}`]);
  const held = (sample.condition.pauses ?? []).map((pause) => pause.scope);
  const scopes = [...new Set(["all", ...shows, ...held])].sort();
  const list = byId("scopes");
  if (list.dataset.scopes === scopes.join(" ")) return;
  list.dataset.scopes = scopes.join(" ");
  list.replaceChildren(...scopes.map((scope) => Object.assign(document.createElement("option"), { value: scope })));
}

async function pull() {
  const lever = byId("lever").value;
  const signed = { by: byId("lever-by").value.trim(), reason: byId("lever-reason").value.trim() };
  const scope = byId("lever-scope").value.trim();
  if (lever === "forgive") {
    const host = byId("lever-host").value.trim();
    return put(`hosts/${encodeURIComponent(host)}`, { forgive: true, ...signed }, (done) =>
      done.forgiven ? `${done.host} is forgiven on this replica and is tried again at once` : `${done.host} did not back off on this replica`);
  }
  const seconds = Math.round(Number(byId("lever-minutes").value) * 60);
  const body = lever === "pause" ? { pause: scope, for_seconds: seconds, ...signed } : { resume: scope, ...signed };
  return put("pauses", body, (done) => {
    if (lever === "pause") return `booking is paused for ${scopeWords(scope)} on all replicas`;
    return done.changed ? `booking goes on for ${scopeWords(scope)} on all replicas` : `${scopeWords(scope)} was not paused`;
  });
}

byId("lever").addEventListener("change", showLever);
byId("lever-form").addEventListener("submit", (event) => {
  event.preventDefault();
  return pull();
});
byId("open-pause").addEventListener("click", () => openLever("pause", "all"));
showLever();
