// The open conversation: loads it, keeps its rows true while notices and events arrive, and knows
// what is running and waiting in it.
//
// Emits `shown` after each drawing, `ended` (a turn's last state), `missing` (why it cannot be
// shown), `failed` (an error that is worth a line).

import * as api from "./api.js";
import { childrenByParent, deepestFrom, layout } from "./tree.js";
import { isOver } from "./turns.js";

const STALE_PAUSE_MS = 2000;
const NOTICE_PATIENCE_MS = 1500; // how long an end may be known from events only
const ROWS_AT_FIRST = 24;

export class OpenConversation extends EventTarget {
  #choosing = null; // the branch that was chosen last, until the server knows it
  #opening = 0; // counts conversations opened, so that a late answer is not shown elsewhere
  #frame = 0;
  #accepted = new Map(); // outbox ref → {entry, messageId}: taken, but not yet in the store
  #views = new Map(); // turn id → turn as REST shows it
  #loadingOlder = null;

  /**
   * @param {{store: import("./store.js").Store, session: import("./session.js").ChatSession,
   *   thread: import("./thread.js").Thread, isOffline: () => boolean}} parts
   */
  constructor(parts) {
    super();
    Object.assign(this, parts);
    this.id = null;
    this.rows = [];
    this.queued = [];
    this.complete = true;
    this.loaded = false;
    this.store.addEventListener("change", ({ detail }) => this.#stored(detail));
    this.session.addEventListener("turn", ({ detail }) => this.#turned(detail));
    this.session.addEventListener("stale", ({ detail }) => this.#stale(detail.turnId));
    for (const type of ["accepted", "refused"]) {
      this.session.addEventListener(type, ({ detail }) => this.#answered(type, detail));
    }
  }

  get conversation() {
    return this.id ? (this.store.conversations.get(this.id) ?? null) : null;
  }

  get messages() {
    return this.store.threads.get(this.id)?.messages ?? new Map();
  }

  /** What the views of the thread ask about a turn. */
  turnOf(turnId) {
    return this.session.turns.get(turnId) ?? null;
  }

  viewOf(turnId) {
    return this.store.turns.get(turnId) ?? this.#views.get(turnId) ?? null;
  }

  // -- opening -----------------------------------------------------------------------------------

  /** Show a conversation; null is the empty page of a new one. */
  async open(id) {
    this.#opening += 1;
    this.id = id;
    this.loaded = id === null;
    this.#accepted.clear();
    this.#loadingOlder = null;
    this.thread.clear();
    this.store.keepOnly(id);
    this.session.focus(id);
    this.draw();
    if (id) await this.load();
  }

  /** The conversation that did not exist has an id now. */
  adopt(id) {
    this.id = id;
    this.session.focus(id);
    this.loaded = this.store.threads.has(id);
    if (!this.loaded) this.load();
  }

  /** Read it from the database. */
  async load() {
    const opening = this.#opening;
    const { id } = this;
    if (!id) return;
    try {
      // One after the other: the messages must not be older than the version they are known by.
      const conversation = await api.getConversation(id);
      const page = await api.listMessages(id);
      if (opening !== this.#opening) return;
      this.loaded = true;
      this.store.loadThread(conversation, page.results, page.next);
      await this.#fillFirst(opening);
    } catch (error) {
      if (opening === this.#opening) this.#emit("missing", error);
    }
  }

  /** A branch may lie deeper than one page. */
  async #fillFirst(opening) {
    this.draw();
    while (!this.complete && this.rows.length < ROWS_AT_FIRST && opening === this.#opening) {
      if (!(await this.loadOlder())) return;
    }
  }

  /** Fetch the page before. @returns whether there was one */
  loadOlder() {
    this.#loadingOlder ??= this.#fetchOlder().finally(() => (this.#loadingOlder = null));
    return this.#loadingOlder;
  }

  async #fetchOlder() {
    const opening = this.#opening;
    const older = this.store.threads.get(this.id)?.older;
    if (!older) return false;
    const page = await api.listMessages(this.id, older);
    if (opening !== this.#opening) return false;
    this.store.addOlder(this.id, page.results, page.next);
    this.draw();
    return true;
  }

  /** Bring a message into the rows, from wherever it is. @returns its element, or null */
  async reach(messageId) {
    const opening = this.#opening;
    while (!this.messages.has(messageId)) {
      if (!(await this.loadOlder()) || opening !== this.#opening) return null;
    }
    if (!this.#isShown(messageId)) await this.showBranch(messageId);
    while (!this.#isShown(messageId) && (await this.loadOlder()) && opening === this.#opening);
    return opening === this.#opening ? this.thread.find(messageId) : null;
  }

  #isShown(messageId) {
    return this.rows.some(
      (row) => row.message.id === messageId || row.members?.some(({ id }) => id === messageId),
    );
  }

  // -- drawing -----------------------------------------------------------------------------------

  #stored({ kind, conversationId, id }) {
    if (kind === "gone" && conversationId === this.id && this.id) {
      this.#emit("missing", { status: 404 });
    } else if (kind === "turn" && conversationId === this.id) {
      this.thread.refreshTurn(id);
    } else if (conversationId === this.id && ["conversation", "thread", "message"].includes(kind)) {
      this.#frame ||= requestAnimationFrame(() => this.draw());
    }
  }

  /** Bring the page in line with what is known. */
  draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const { messages } = this;
    const known = layout(messages, this.conversation?.leaf_id ?? null);
    this.complete = known.complete;
    this.queued = known.queued;
    this.rows = known.rows;
    for (const [ref, { messageId }] of this.#accepted) {
      if (messages.has(messageId)) this.#accepted.delete(ref);
    }
    const pending = this.#pending();
    const edited = pending.find(({ entry }) => entry.editOf)?.entry.editOf;
    const cut = edited ? this.rows.findIndex((row) => row.message.id === edited) : -1;
    if (cut >= 0) this.rows = this.rows.slice(0, cut);
    this.thread.show(this.rows, pending);
    this.#followRunning(messages);
    this.#learnEnd();
    this.#emit("shown", null);
  }

  #pending() {
    const taken = [...this.#accepted.values()].map(({ entry }) => ({ entry, accepted: true }));
    const waiting = this.session.outbox.of(this.id).map((entry) => ({ entry, accepted: false }));
    return [...taken, ...waiting]
      .filter(({ entry }) => (entry.type ?? "message") === "message" && !this.#goesToQueue(entry))
      .map((each) => ({
        ...each,
        offline: this.isOffline(),
        onRetry: () => {
          this.session.resend(each.entry.ref);
          this.draw();
        },
        onWithdraw: () => this.withdraw(each.entry.ref),
      }));
  }

  /** A message that will wait is shown in the tray, not in the thread. */
  #goesToQueue(entry) {
    return entry.delivery === "queue" && entry.refused === undefined && !entry.editOf && this.activeTurns.length > 0;
  }

  /** What the tray shows: stored messages that wait, and those on their way to it. */
  get waiting() {
    const stored = this.queued.map(({ question, answer }) => ({
      key: question.id,
      text: question.text,
      turnId: answer?.turn_id ?? null,
      cancel: Boolean(answer?.turn_id),
    }));
    const taken = [...this.#accepted.values()].filter(({ messageId }) => !this.messages.has(messageId)).map(({ entry }) => entry);
    const onTheWay = [...taken, ...this.session.outbox.of(this.id)]
      .filter((entry) => (entry.type ?? "message") === "message" && this.#goesToQueue(entry))
      .map((entry) => ({ key: entry.ref, text: entry.text, ref: entry.ref, cancel: this.isOffline() }));
    return [...stored, ...onTheWay];
  }

  /** Take back a message that the server never took. @returns its words */
  withdraw(ref) {
    const entry = this.session.withdraw(ref);
    this.draw();
    this.#emit("withdrawn", entry);
  }

  // -- turns -------------------------------------------------------------------------------------

  /** Turns of this conversation that are being worked on, those on other branches included. */
  get activeTurns() {
    const waiting = new Set(this.queued.map(({ answer }) => answer?.id));
    return [...this.messages.values()]
      .filter((message) => message.status === "streaming" && message.turn_id && !waiting.has(message.id))
      .map(({ turn_id: id }) => id)
      .filter((id) => !isOver(this.turnOf(id) ?? {}));
  }

  /** Turns whose answers are on the branch that is shown. */
  get shownTurns() {
    const shown = new Set(this.rows.flatMap((row) => row.members ?? []).map(({ turn_id: id }) => id));
    return this.activeTurns.filter((id) => shown.has(id));
  }

  #followRunning(messages) {
    const waiting = new Set(this.queued.map(({ answer }) => answer?.id));
    for (const message of messages.values()) {
      if (message.status !== "streaming" || !message.turn_id || waiting.has(message.id)) continue;
      if (!this.session.turns.has(message.turn_id)) this.session.follow(message.turn_id);
    }
  }

  #turned(turn) {
    const answer = this.thread.answerOfTurn(turn.id);
    answer?.refresh();
    if (!isOver(turn)) return;
    if (answer) this.#emit("ended", turn);
    this.#emit("shown", null);
    const opening = this.#opening;
    setTimeout(() => {
      const late = [...this.messages.values()].some((each) => each.turn_id === turn.id && each.status === "streaming");
      if (late && opening === this.#opening) this.load(); // its notice did not come
    }, NOTICE_PATIENCE_MS);
  }

  /** The last answer's turn says how it ended; messages alone do not. */
  async #learnEnd() {
    const last = this.rows.at(-1)?.message;
    const turnId = last?.role === "assistant" && last.status !== "streaming" ? last.turn_id : null;
    if (!turnId || this.viewOf(turnId) || this.turnOf(turnId)) return;
    this.#views.set(turnId, null);
    const view = await api.getTurn(turnId).catch(() => null); // a detail; nobody misses it
    if (view) this.#views.set(turnId, view);
    this.thread.refreshTurn(turnId);
  }

  /** The event stream is gone or has a hole: the database has the truth. */
  async #stale(turnId) {
    if (![...this.messages.values()].some((each) => each.turn_id === turnId)) return;
    const opening = this.#opening;
    await this.load();
    const still = [...this.messages.values()].find((each) => each.turn_id === turnId);
    if (opening !== this.#opening || still?.status !== "streaming") return;
    setTimeout(() => {
      if (opening !== this.#opening) return;
      this.session.forget(turnId);
      this.session.follow(turnId);
      this.draw();
    }, STALE_PAUSE_MS);
  }

  #answered(type, detail) {
    const entry = type === "accepted" ? detail.entry : detail;
    if (entry.conversationId !== this.id) return;
    if (type === "accepted" && entry.type === "message") {
      const { frame } = detail;
      entry.storedAs = frame.message_id;
      this.#accepted.set(entry.ref, { entry, messageId: frame.message_id });
      if (this.id === null) this.#emit("adopt", frame);
      else this.#checkArrival(frame.message_id);
    }
    this.draw();
  }

  #checkArrival(messageId) {
    const opening = this.#opening;
    setTimeout(() => {
      if (opening === this.#opening && !this.messages.has(messageId)) this.load();
    }, NOTICE_PATIENCE_MS);
  }

  // -- branches ----------------------------------------------------------------------------------

  /** Show the newest branch through a message; at once here, and for everybody when stored. */
  async showBranch(messageId) {
    const before = this.conversation;
    const leaf = deepestFrom(childrenByParent(this.messages.values()), messageId);
    this.store.putConversation({ ...before, leaf_id: leaf });
    this.draw();
    const choosing = { id: this.id, request: new AbortController() };
    if (this.#choosing?.id === this.id) this.#choosing.request.abort();
    this.#choosing = choosing;
    const isOutdone = () => this.#choosing !== choosing && this.#choosing.id === choosing.id;
    try {
      const stored = await api.showBranch(this.id, messageId, choosing.request.signal);
      if (!isOutdone()) this.store.putConversation(stored);
    } catch (error) {
      if (isOutdone()) return; // another branch was chosen meanwhile
      if (this.conversation?.version === before.version) this.store.putConversation(before);
      this.#emit("failed", error);
    }
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
