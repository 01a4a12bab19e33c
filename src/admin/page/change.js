// Changes the workers of a stage or the filter of the log. The token stays in its field, which is
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
  byId("changes").showModal();
}

function showWorkers() {
  const stage = latest?.stages.find((other) => other.name === byId("stage").value);
  if (stage) byId("workers").value = stage.workers;
}

function tell(kind, words) {
  byId("answer").dataset.kind = kind;
  text(byId("answer"), words);
}

async function put(path, body) {
  const headers = { "content-type": "application/json" };
  const token = byId("token").value;
  if (token) headers.authorization = `Bearer ${token}`;
  try {
    const answer = await fetch(path, { method: "PUT", headers, body: JSON.stringify(body) });
    const told = await answer.json();
    if (!answer.ok) return tell("bad", told.error);
    tell("good", told.stage ? `${told.stage} now has ${many(told.workers, "worker")}` : `the log filter is now ${told.filter}`);
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
  return put("log", { filter: byId("filter").value });
});
byId("workers-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const stage = encodeURIComponent(byId("stage").value);
  return put(`stages/${stage}`, { workers: Number(byId("workers").value) });
});
