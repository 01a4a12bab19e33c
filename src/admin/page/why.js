// Asks why a job, a layer or a frame does not run, and shows the one sentence of the answer.

// The service gives up after 30 s and says so.
const patience = 35000;
let question = 0;

function answerWhy(kind, words) {
  byId("why-answer").dataset.kind = kind;
  linked(byId("why-answer"), words);
}

async function askWhy(name) {
  // Dots alone would be taken for a path above this one; nothing is named like that.
  if (/^\.+$/.test(name)) return ["none", `there is no job, layer or frame \`${name}\``];
  try {
    const answer = await fetch(`why/${encodeURIComponent(name)}`, { signal: AbortSignal.timeout(patience) });
    const body = await answer.json();
    if (answer.ok && body.sentence) return ["answer", body.sentence];
    if (answer.status === 404) return ["none", body.error];
    return ["bad", `This cannot be answered now: ${body.error ?? `the service answered ${answer.status}`}`];
  } catch (error) {
    if (error.name === "TimeoutError") return ["bad", `The service has not answered within ${patience / 1000} s. Ask again.`];
    if (error instanceof SyntaxError) return ["bad", "What answered is not this service. Load the page anew."];
    return ["bad", "The service cannot be reached, so it cannot be asked. Ask again once it is back."];
  }
}

byId("why").addEventListener("submit", async (event) => {
  event.preventDefault();
  const name = byId("why-name").value.trim();
  const asked = ++question;
  if (!name) {
    byId("why-name").focus();
    return answerWhy("none", "Type the name of a job, of a layer or of a frame first, or an id.");
  }
  answerWhy("asking", "asking …");
  const [kind, words] = await askWhy(name);
  // A later question may have overtaken this one.
  if (asked === question) answerWhy(kind, words);
});
