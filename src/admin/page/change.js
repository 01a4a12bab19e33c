// Changes the workers of a stage, the filter of the log, or what a lever changes. The token stays in its field, which is
// part of this page only.

let latest = null;

function offer(sample) {
  latest = sample;
  byId("changes-off").hidden = sample.changeable;
  byId("changes-form").hidden = !sample.changeable;
}

function openChanges(name) {
  const select = byId("stage");
  const stages = (latest?.stages ?? []).filter((stage) => stage.kind !== "tick" && stage.kind !== "source");
  select.replaceChildren(...stages.map((stage) => new Option(stage.name, stage.name, false, stage.name === name)));
  showWorkers();
  tell("", "");
  if (!byId("changes").open) byId("changes").showModal();
}

function showWorkers() {
  const stage = latest?.stages.find((other) => other.name === byId("stage").value);
  if (stage) byId("workers").value = stage.workers;
}

function tell(kind, words) {
  byId("answer").dataset.kind = kind;
  text(byId("answer"), words);
}

async function put(path, body, words) {
  const headers = { "content-type": "application/json" };
  const token = byId("token").value;
  if (token) headers.authorization = `Bearer ${token}`;
  try {
    const answer = await fetch(path, { method: "PUT", headers, body: JSON.stringify(body) });
    const done = await answer.json();
    if (!answer.ok) return tell("bad", done.error);
    tell("good", words(done));
  } catch (error) {
    tell("bad", `no answer: ${error.message}`);
  }
}

byId("open-changes").addEventListener("click", () => openChanges(null));
byId("close-changes").addEventListener("click", () => byId("changes").close());
byId("stage").addEventListener("change", showWorkers);
// Enter sends the form of the field it was pressed in, so each change has one of its own.
byId("log-form").addEventListener("submit", (event) => {
  event.preventDefault();
  return put("log", { filter: byId("filter").value }, (done) => `the log filter is now ${done.filter}`);
});
byId("workers-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const stage = encodeURIComponent(byId("stage").value);
  const words = (done) => `${done.stage} now has ${many(done.workers, "worker")}`;
  return put(`stages/${stage}`, { workers: Number(byId("workers").value) }, words);
});
