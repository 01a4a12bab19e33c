// Listens for samples, and says so when none come. The browser dials again by itself when the
// connection breaks; where it gives up, or waits on a connection that is dead, a new one is made here.

const silentAfter = 4000;
let source = null;
let lastSeen = 0;
let lastTry = 0;
let version = null;

function link(state) {
  if (byId("link").dataset.state === state) return;
  announce(state === "live" ? "connected to the service" : "the connection to the service is lost");
  byId("link").dataset.state = state;
  text(byId("link"), state);
  document.body.classList.toggle("stale", state === "disconnected");
  byId("gone").hidden = state === "live";
}

function lost() {
  link("disconnected");
  const at = new Date(lastSeen).toLocaleTimeString([], { hour12: false });
  const first = "No numbers have come from the service yet.";
  const seconds = Math.round((Date.now() - lastSeen) / 1000);
  text(byId("gone-words"), lastSeen ? `The numbers are of ${at}, when the service was last seen.` : first);
  text(byId("gone-ago"), lastSeen ? `That was ${seconds < 100 ? `${seconds}\u00a0s` : uptime(seconds)} ago.` : "");
}

function listen() {
  source?.close();
  lastTry = Date.now();
  source = new EventSource("events");
  source.onmessage = (event) => {
    lastSeen = Date.now();
    const sample = JSON.parse(event.data);
    // After an upgrade the service and this script no longer belong together.
    if (version && sample.version !== version) return location.reload();
    version = sample.version;
    draw(sample);
    link("live");
  };
  source.onerror = lost;
}

setInterval(() => {
  if (Date.now() - Math.max(lastSeen, lastTry) > silentAfter) lost();
  else if (byId("link").dataset.state === "disconnected") lost();
  const rest = source.readyState === EventSource.CLOSED ? 3000 : 10000;
  if (Date.now() - Math.max(lastSeen, lastTry) > rest) listen();
}, 1000);

byId("retry").addEventListener("click", listen);
listen();
refreshMap();
