// What this person asked for and the server has not confirmed: kept in the tab's session storage,
// so that a dropped connection or a reload loses nothing. The client message id makes repeats safe.

const KEY = "karen.outbox";

/** Fields of an entry and what the protocol calls them; only those that are set are sent. */
const FIELDS = {
  message: {
    conversationId: "conversation_id",
    text: "text",
    model: "model",
    models: "models",
    parentId: "parent_id",
    editOf: "edit_of",
    attachments: "attachments",
    delivery: "delivery",
    options: "options",
  },
  regenerate: { messageId: "message_id", model: "model" },
  continue: { messageId: "message_id" },
};

const isEntry = (entry) => Boolean(entry?.clientMessageId && FIELDS[entry.type ?? "message"]);

export class Outbox {
  /** @param {Storage} storage  session storage: one tab never sends another tab's messages */
  constructor(storage) {
    this.storage = storage;
    this.entries = this.#load();
  }

  #load() {
    try {
      const entries = JSON.parse(this.storage.getItem(KEY) ?? "[]");
      return Array.isArray(entries) ? entries.filter(isEntry) : [];
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
   * @param {object} wanted  fields of `FIELDS`, with `type` and the `conversationId` it belongs to
   * @returns the entry, whose `ref` is also the client message id
   */
  add({ id = crypto.randomUUID(), type = "message", ...wanted }) {
    const entry = { ref: id, clientMessageId: id, type, ...wanted };
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

  /** What may go out now: the first of each conversation, so that the order is kept. */
  due() {
    const first = new Map();
    for (const entry of this.entries) {
      if (entry.refused !== undefined) continue;
      const place = entry.conversationId ?? entry.ref;
      if (!first.has(place)) first.set(place, entry);
    }
    return [...first.values()];
  }
}

/** @returns the frame of the protocol */
export function toFrame(entry) {
  const type = entry.type ?? "message";
  const frame = { type, ref: entry.ref, client_message_id: entry.clientMessageId };
  for (const [ours, theirs] of Object.entries(FIELDS[type])) {
    const value = entry[ours];
    const empty = value === undefined || value === null || (Array.isArray(value) && !value.length);
    if (!empty) frame[theirs] = value;
  }
  if (type === "message") frame.conversation_id = entry.conversationId ?? null;
  return frame;
}
