// Live messages. All tabs of a browser share one connection, because a browser opens at most six
// connections to a server. A shared worker keeps this connection, and passes messages to all tabs. The code of
// the worker is in this file too.
const CHANNEL = "dmad-live";
const RETRY = 5000; // milliseconds until a connection that was refused is tried again

// A connection to the console. If it is lost, it is opened again.
class Stream {
  constructor(deliver) {
    this.deliver = deliver;
    this.kinds = new Set();
    this.online = true;
    this.open();
  }

  open() {
    this.source = new EventSource("/api/stream");
    this.source.onopen = () => this.tell(true);
    this.source.onerror = () => {
      this.tell(false);
      if (this.source.readyState === EventSource.CLOSED) setTimeout(() => this.open(), RETRY);
    };
    for (const kind of this.kinds) this.hear(kind);
  }

  want(kind) {
    if (this.kinds.has(kind)) return;
    this.kinds.add(kind);
    this.hear(kind);
  }

  hear(kind) {
    this.source.addEventListener(kind, (message) => this.deliver({ kind, content: JSON.parse(message.data) }));
  }

  tell(online) {
    this.online = online;
    this.deliver({ online });
  }
}

// Connects a page. `deliver` gets messages {kind, content}, and {online} when the connection comes or
// goes. Returns a function that asks for a kind of messages.
export function connect(deliver) {
  const kinds = [];
  let stream = null;
  let worker = null;
  const alone = () => {
    if (stream) return;
    stream = new Stream(deliver);
    kinds.forEach((kind) => stream.want(kind));
    addEventListener("pagehide", () => stream.source.close());
  };
  if ("SharedWorker" in window) {
    new BroadcastChannel(CHANNEL).onmessage = (message) => deliver(message.data);
    worker = new SharedWorker("/static/live.js", { type: "module", name: CHANNEL });
    worker.onerror = alone; // an old browser without modules in workers
    worker.port.onmessage = (message) => deliver(message.data);
  } else {
    alone();
  }
  return (kind) => {
    kinds.push(kind);
    stream?.want(kind);
    worker?.port.postMessage(kind);
  };
}

if (globalThis.SharedWorkerGlobalScope && self instanceof SharedWorkerGlobalScope) {
  const channel = new BroadcastChannel(CHANNEL);
  const stream = new Stream((message) => channel.postMessage(message));
  self.onconnect = (event) => {
    const [port] = event.ports;
    port.onmessage = (message) => stream.want(message.data);
    port.postMessage({ online: stream.online });
  };
}
