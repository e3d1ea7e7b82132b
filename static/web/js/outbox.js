// Messages on their way: kept in the tab's session storage until the server says it has them, so
// that a dropped connection or a reload loses nothing. The client message id makes repeats safe.

const KEY = "karen.outbox";

export class Outbox {
  /** @param {Storage} storage  session storage: one tab never sends another tab's messages */
  constructor(storage) {
    this.storage = storage;
    this.entries = this.#load();
  }

  #load() {
    try {
      const entries = JSON.parse(this.storage.getItem(KEY) ?? "[]");
      return Array.isArray(entries) ? entries.filter((e) => e?.clientMessageId && e.text) : [];
    } catch {
      return [];
    }
  }

  #save() {
    try {
      this.storage.setItem(KEY, JSON.stringify(this.entries));
    } catch {
      // Storage full or forbidden: the message still waits in memory.
    }
  }

  /**
   * @param {{conversationId: string|null, text: string, model: string|null}} message
   * @returns the entry, whose `ref` is also the client message id
   */
  add({ conversationId, text, model, id = crypto.randomUUID() }) {
    const entry = { ref: id, clientMessageId: id, conversationId, text, model };
    this.entries.push(entry);
    this.#save();
    return entry;
  }

  find(ref) {
    return this.entries.find((entry) => entry.ref === ref) ?? null;
  }

  remove(ref) {
    const entry = this.find(ref);
    this.entries = this.entries.filter((each) => each !== entry);
    this.#save();
    return entry;
  }

  /** Entries of one conversation (null: of the conversation that does not exist yet). */
  of(conversationId) {
    return this.entries.filter((entry) => entry.conversationId === conversationId);
  }

  /** The server said no: keep the words, but send them only when asked to. */
  refuse(ref, message) {
    const entry = this.find(ref);
    if (entry) entry.refused = message;
    this.#save();
    return entry;
  }

  /** Make a refused entry one that is sent again. */
  revive(ref) {
    const entry = this.find(ref);
    if (entry) delete entry.refused;
    this.#save();
    return entry;
  }

  /** What to send when the connection is there. */
  frames() {
    return this.entries.filter((entry) => entry.refused === undefined).map(toFrame);
  }
}

/** @returns the `message` frame of the protocol */
export function toFrame(entry) {
  return {
    type: "message",
    ref: entry.ref,
    conversation_id: entry.conversationId,
    client_message_id: entry.clientMessageId,
    text: entry.text,
    model: entry.model,
  };
}
