// What the page knows: conversations, messages, turns, folders, files. Fed by REST loads and by
// notices; nothing else writes here. No DOM.
//
// The law (tests/web_js/store.test.js): what was loaded plus the notices after its cursor is what
// a fresh load would show, whatever came twice or late. Every notice carries the whole thing and
// the conversation's version, so applying is replacing, unless something newer is known.
//
// Emits `change` with `{kind, conversationId?, id?}`.

export class Store extends EventTarget {
  constructor() {
    super();
    this.conversations = new Map();
    this.threads = new Map(); // conversation id → {messages, older}
    this.turns = new Map();
    this.folders = null; // null until the server has said that it has folders
    this.attachments = new Map();
    this.versions = new Map(); // message or turn id → version of its conversation
  }

  // -- loads -----------------------------------------------------------------------------------

  /** Take conversations of a list; those known in a newer version stay. */
  putConversations(conversations) {
    for (const each of conversations) this.#putConversation(each);
    this.#changed({ kind: "conversations" });
  }

  /** Take one conversation, as REST answers it. */
  putConversation(conversation) {
    if (this.#putConversation(conversation)) {
      this.#changed({ kind: "conversation", conversationId: conversation.id });
    }
  }

  /**
   * Replace what is known of a conversation's messages by a first page.
   *
   * @param {object} conversation  read before the messages: they are at least of its version
   * @param {object[]} messages
   * @param {string|null} older  cursor of the next page
   */
  loadThread(conversation, messages, older) {
    this.#putConversation(conversation);
    const version = conversation.version ?? 0;
    const before = this.threads.get(conversation.id)?.messages ?? new Map();
    const loaded = new Map();
    for (const message of messages) {
      const known = this.versions.get(message.id) ?? -1;
      const fresher = known > version && before.has(message.id);
      loaded.set(message.id, fresher ? before.get(message.id) : message);
      if (!fresher) this.versions.set(message.id, version);
    }
    // What a notice brought while the page was on its way is newer than the page.
    for (const [id, message] of before) {
      if (!loaded.has(id) && (this.versions.get(id) ?? 0) > version) loaded.set(id, message);
    }
    this.threads.set(conversation.id, { messages: loaded, older });
    this.#changed({ kind: "thread", conversationId: conversation.id });
  }

  /** Add an older page of a conversation. */
  addOlder(conversationId, messages, older) {
    const thread = this.threads.get(conversationId);
    if (!thread) return;
    for (const message of messages) {
      if (!thread.messages.has(message.id)) thread.messages.set(message.id, message);
    }
    thread.older = older;
    this.#changed({ kind: "thread", conversationId });
  }

  putTurn(turn, version = 0) {
    if (version < (this.versions.get(turn.id) ?? 0)) return;
    this.versions.set(turn.id, version);
    this.turns.set(turn.id, turn);
    this.#changed({ kind: "turn", conversationId: turn.conversation_id, id: turn.id });
  }

  putFolders(folders) {
    this.folders = folders;
    this.#changed({ kind: "folders" });
  }

  putAttachment(attachment) {
    const known = this.attachments.get(attachment.id);
    this.attachments.set(attachment.id, { ...known, ...attachment });
    this.#changed({ kind: "attachment", id: attachment.id });
  }

  remove(conversationId) {
    this.conversations.delete(conversationId);
    this.threads.delete(conversationId);
    this.#changed({ kind: "gone", conversationId });
  }

  /** Forget threads that are not shown: they are loaded again when they are opened. */
  keepOnly(conversationId) {
    for (const id of [...this.threads.keys()]) if (id !== conversationId) this.threads.delete(id);
  }

  // -- notices ---------------------------------------------------------------------------------

  apply(notice) {
    switch (notice.kind) {
      case "conversation":
        return this.putConversation(notice.conversation);
      case "conversation_gone":
        return this.remove(notice.conversation_id);
      case "message":
        return this.#putMessage(notice);
      case "turn":
        return this.putTurn(notice.turn, notice.version);
      case "folders":
        return this.putFolders(notice.folders);
      case "attachment":
        return this.putAttachment(notice.attachment);
      default:
        return undefined; // of a later version
    }
  }

  #putConversation(conversation) {
    const known = this.conversations.get(conversation.id);
    if (known && (conversation.version ?? 0) < (known.version ?? 0)) return false;
    this.conversations.set(conversation.id, { ...known, ...conversation });
    return true;
  }

  #putMessage({ version, conversation_id: conversationId, message }) {
    let thread = this.threads.get(conversationId);
    // The first version of a conversation is its birth: nothing came before.
    if (!thread && version === 1) {
      thread = { messages: new Map(), older: null };
      this.threads.set(conversationId, thread);
    }
    if (!thread || version < (this.versions.get(message.id) ?? 0)) return;
    this.versions.set(message.id, version);
    thread.messages.set(message.id, message);
    this.#changed({ kind: "message", conversationId, id: message.id });
  }

  #changed(detail) {
    this.dispatchEvent(new CustomEvent("change", { detail }));
  }
}
