// Unsent words, one draft per conversation, kept in the browser's local storage.

const PREFIX = "karen.draft.";
const NEW = "new";
const MOST = 50;

export class Drafts {
  /** @param {Storage} storage */
  constructor(storage) {
    this.storage = storage;
  }

  read(conversationId) {
    try {
      return JSON.parse(this.storage.getItem(PREFIX + (conversationId ?? NEW)))?.text ?? "";
    } catch {
      return "";
    }
  }

  write(conversationId, text) {
    const key = PREFIX + (conversationId ?? NEW);
    try {
      if (!text.trim()) this.storage.removeItem(key);
      else this.storage.setItem(key, JSON.stringify({ text, at: Date.now() }));
      this.#prune();
    } catch {
      // Full or forbidden: the words are still in the box.
    }
  }

  #prune() {
    const keys = Object.keys(this.storage).filter((key) => key.startsWith(PREFIX));
    if (keys.length <= MOST) return;
    const age = (key) => JSON.parse(this.storage.getItem(key))?.at ?? 0;
    keys.sort((a, b) => age(a) - age(b));
    for (const key of keys.slice(0, keys.length - MOST)) this.storage.removeItem(key);
  }
}
