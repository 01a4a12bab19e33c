// Listens for samples. The browser asks again by itself when the connection breaks; where it gives
// up (the server answered, but not with events), a new attempt is made here.

let source = null;
let lastSeen = 0;

function state(name, words) {
  byId("link").dataset.state = name;
  text(byId("link"), words);
  document.body.classList.toggle("stale", name === "disconnected");
}

function listen() {
  source?.close();
  source = new EventSource("events");
  source.onmessage = (event) => {
    lastSeen = Date.now();
    draw(JSON.parse(event.data));
    state("live", "live");
  };
  source.onerror = () => {
    state("disconnected", "disconnected");
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 3000);
  };
}

setInterval(() => {
  if (lastSeen && Date.now() - lastSeen > 4000) {
    const seconds = Math.round((Date.now() - lastSeen) / 1000);
    state("disconnected", `disconnected for ${seconds} s`);
  }
}, 1000);

listen();
