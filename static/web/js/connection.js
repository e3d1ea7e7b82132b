// One WebSocket that comes back by itself.
//
// States: "connecting" (first try), "online", "offline" (lost; trying again), "stopped" (the
// server said that trying again is useless: see `reason`). Emits `state`, `frame` and `online`.

/** Close codes after which reconnecting would only repeat the refusal. */
const FINAL = new Map([
  [4401, "signed-out"],
  [4403, "refused"],
  [4404, "unknown-host"],
]);

const BASE_MS = 500;
const MAX_MS = 4_000; // a restarted server is back within seconds, and so should people be
const TOO_MANY_MS = 20_000;

/**
 * Full jitter: anywhere between a fifth of the ceiling and the ceiling, which doubles each time.
 * @param {number} failures  consecutive failed tries
 * @param {() => number} random  0 ≤ r < 1
 */
export function backoff(failures, random = Math.random) {
  const ceiling = Math.min(MAX_MS, BASE_MS * 2 ** failures);
  return Math.round(ceiling * (0.2 + 0.8 * random()));
}

export class Connection extends EventTarget {
  #socket = null;
  #failures = 0;
  #retryTimer = 0;
  #beatTimer = 0;
  #silence = 0;
  #heartbeatMs = 25_000;
  #notBefore = 0;

  /**
   * @param {string} url
   * @param {{WebSocket?: typeof WebSocket, random?: () => number}} doors  what tests replace
   */
  constructor(url, doors = {}) {
    super();
    this.url = url;
    this.state = "connecting";
    this.reason = null;
    this.retryAt = 0;
    this.WebSocket = doors.WebSocket ?? globalThis.WebSocket;
    this.random = doors.random ?? Math.random;
  }

  get online() {
    return this.state === "online";
  }

  open() {
    clearTimeout(this.#retryTimer);
    if (this.#socket) return;
    const socket = new this.WebSocket(this.url);
    this.#socket = socket;
    socket.addEventListener("message", (event) => this.#receive(socket, event.data));
    socket.addEventListener("close", (event) => this.#closed(socket, event.code));
  }

  /** Try at once: the network came back, the tab became visible, or the user asked. */
  hurry() {
    if (this.state === "stopped" || this.#socket) return;
    this.#failures = 0;
    this.open();
  }

  /** @returns false when offline: the caller keeps what must not be lost */
  send(frame) {
    if (!this.online || this.#socket?.readyState !== 1) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  close() {
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#beatTimer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(1000);
  }

  #receive(socket, data) {
    if (socket !== this.#socket) return;
    let frame;
    try {
      frame = JSON.parse(data);
    } catch {
      return; // not ours
    }
    this.#silence = 0;
    if (frame.type === "ready") {
      this.#failures = 0;
      this.#heartbeatMs = (frame.heartbeat_s ?? 25) * 1000;
      this.#beat();
      this.#setState("online");
    }
    if (frame.type === "reconnect") {
      this.#notBefore = frame.after_ms ?? 1000;
      return;
    }
    this.dispatchEvent(new CustomEvent("frame", { detail: frame }));
  }

  #beat() {
    clearTimeout(this.#beatTimer);
    this.#beatTimer = setTimeout(() => {
      this.#silence += 1;
      if (this.#silence > 2) {
        // The network swallowed the connection without a word: do not wait for TCP to notice.
        const socket = this.#socket;
        socket?.close(4000);
        this.#closed(socket, 4000);
        return;
      }
      this.send({ type: "ping" });
      this.#beat();
    }, this.#heartbeatMs);
  }

  #closed(socket, code) {
    if (socket !== this.#socket) return;
    this.#socket = null;
    clearTimeout(this.#beatTimer);
    this.#silence = 0;
    if (FINAL.has(code)) {
      this.reason = FINAL.get(code);
      this.#setState("stopped");
      return;
    }
    const floor = code === 4029 ? TOO_MANY_MS : this.#notBefore;
    const wait = floor + backoff(this.#failures, this.random);
    this.#failures += 1;
    this.#notBefore = 0;
    this.retryAt = Date.now() + wait;
    this.#setState("offline");
    this.#retryTimer = setTimeout(() => this.open(), wait);
  }

  #setState(state) {
    const changed = state !== this.state;
    this.state = state;
    if (changed || state === "offline") {
      this.dispatchEvent(new CustomEvent("state", { detail: { state, reason: this.reason } }));
    }
  }
}
