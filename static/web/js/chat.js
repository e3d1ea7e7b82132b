// The chat page: wires the parts together. Each part knows its own matter only.

import * as api from "./api.js";
import { Banner } from "./banner.js";
import { Composer } from "./composer.js";
import { Connection } from "./connection.js";
import { copyText, embedded, setIcon } from "./dom.js";
import { Drafts } from "./drafts.js";
import { ModelPicker } from "./models.js";
import { Outbox } from "./outbox.js";
import { StickyScroll } from "./scroll.js";
import { ChatSession } from "./session.js";
import * as shortcuts from "./shortcuts.js";
import { Sidebar } from "./sidebar.js";
import { Thread, fromMessage } from "./thread.js";
import { isOver } from "./turns.js";

const $ = (id) => document.getElementById(id);
const STALE_PAUSE_MS = 2000;

class ChatPage {
  constructor(boot) {
    this.conversationId = boot.conversation_id;
    this.activeTurn = null;
    this.opening = 0; // counts conversations opened, so that a late answer is not shown elsewhere
    this.earlier = null;

    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.connection = new Connection(`${scheme}://${location.host}/ws/chat/`);
    this.session = new ChatSession(this.connection, new Outbox(sessionStorage));
    this.banner = new Banner($("banner"));
    this.thread = new Thread($("thread"));
    this.scroll = new StickyScroll($("scroller"), $("thread"), $("jump"));
    this.composer = new Composer($("composer"), new Drafts(localStorage), boot.max_characters);
    this.models = new ModelPicker({ select: $("model"), label: $("model-name"), note: $("model-note") });
    this.sidebar = new Sidebar({
      list: $("conversations"),
      search: $("search"),
      menu: $("conversation-menu"),
      confirm: $("confirm-delete"),
      more: $("more-conversations"),
    });
  }

  start() {
    this.#listenToSession();
    this.#listenToPage();
    this.#listenToSidebar();
    this.connection.open();
    this.sidebar.load().catch((error) => this.banner.problem(error.message));
    this.open(this.conversationId, { push: false });
  }

  // -- conversations ---------------------------------------------------------------------------

  /** Show a conversation; null is the empty page of a new one. */
  async open(id, { push = true } = {}) {
    const opening = ++this.opening;
    this.conversationId = id;
    this.earlier = null;
    this.#setActive(null);
    this.thread.clear();
    if (push) history.pushState(null, "", id ? `/chat/${id}/` : "/chat/");
    this.sidebar.activate(id);
    this.composer.open(id);
    this.#closeDrawer();
    this.#showTitle();
    if (matchMedia("(pointer: fine)").matches) this.composer.focus();
    if (id) await this.#load(id, opening);
    if (opening !== this.opening) return;
    for (const entry of this.session.outbox.of(id)) this.#showPending(entry);
    this.#refresh();
    this.scroll.toEnd();
  }

  async #load(id, opening, again = true) {
    $("scroller").setAttribute("aria-busy", "true");
    try {
      const [conversation, page] = await Promise.all([api.getConversation(id), api.listMessages(id)]);
      if (opening !== this.opening) return;
      this.#show(conversation, page);
      // A message accepted while this was being fetched is not in it.
      const missed = this.activeTurn && !this.thread.answers.has(this.activeTurn);
      if (missed && again) await this.#load(id, opening, false);
    } catch (error) {
      if (opening === this.opening) this.#loadFailed(error);
    } finally {
      if (opening === this.opening) $("scroller").removeAttribute("aria-busy");
    }
  }

  #show(conversation, page) {
    this.sidebar.put(conversation);
    this.thread.clear();
    this.thread.addStored(oldestFirst(page.results));
    this.earlier = page.next;
    $("earlier").hidden = !this.earlier;
    const running = conversation.active_turn_id;
    if (running) this.#follow(running);
    this.#showTitle();
  }

  #follow(turnId) {
    this.session.forget(turnId); // the text comes again from the start of the attempt
    const turn = this.session.follow(turnId);
    if (!this.thread.answers.has(turnId)) this.thread.showTurn(turn);
    this.#setActive(turnId);
  }

  #loadFailed(error) {
    const gone = error.status === 404;
    $("missing-text").textContent = gone
      ? "This conversation does not exist, or it is not yours."
      : `The conversation could not be loaded. ${error.message}`;
    $("missing-retry").hidden = gone;
    $("missing").hidden = false;
  }

  async #loadEarlier() {
    const opening = this.opening;
    const scroller = $("scroller");
    const fromEnd = scroller.scrollHeight - scroller.scrollTop;
    const page = await api.listMessages(this.conversationId, this.earlier);
    if (opening !== this.opening) return;
    this.thread.addStored(oldestFirst(page.results), { before: true });
    this.earlier = page.next;
    $("earlier").hidden = !this.earlier;
    scroller.scrollTop = scroller.scrollHeight - fromEnd;
  }

  // -- sending ---------------------------------------------------------------------------------

  send(text) {
    const entry = this.session.send({
      conversationId: this.conversationId,
      text,
      model: this.models.chosen,
    });
    this.#showPending(entry);
    this.#refresh();
    this.scroll.toEnd();
  }

  #showPending(entry) {
    this.thread.addPending(entry);
    if (entry.refused !== undefined) this.#refused(entry);
    else this.thread.markOffline(this.connection.state === "offline");
  }

  async stop() {
    if (!this.activeTurn) return;
    if (!this.session.stop(this.activeTurn)) {
      await api.cancelTurn(this.activeTurn).catch((error) => this.banner.problem(error.message));
    }
  }

  #setActive(turnId) {
    this.activeTurn = turnId;
    this.#refresh();
  }

  #refresh() {
    const waiting = [...this.thread.pending.values()].some((e) => e.classList.contains("is-pending"));
    this.composer.setBusy(this.activeTurn !== null);
    this.composer.setWaiting(waiting && this.activeTurn === null);
    const missing = !$("missing").hidden;
    $("welcome").hidden = this.conversationId !== null || !this.thread.empty || missing;
  }

  #showTitle() {
    $("missing").hidden = true;
    $("earlier").hidden = !this.earlier;
    const title = this.conversationId ? this.sidebar.titleOf(this.conversationId) : "New conversation";
    $("title").textContent = title;
    document.title = this.conversationId ? `${title} · Karen` : "Karen";
  }

  // -- what the server says --------------------------------------------------------------------

  #listenToSession() {
    const on = (type, handler) => this.session.addEventListener(type, ({ detail }) => handler(detail));
    on("state", ({ state, reason }) => {
      this.banner.show(state, reason);
      this.thread.markOffline(state === "offline");
    });
    on("models", (models) => {
      this.models.show(models);
      this.thread.relabel((id) => this.models.labelOf(id));
    });
    on("accepted", (detail) => this.#accepted(detail));
    on("refused", (entry) => this.#refused(entry));
    on("turn", (turn) => this.#turnChanged(turn));
    on("conversation", (conversation) => {
      this.sidebar.put(conversation);
      if (conversation.id === this.conversationId) this.#showTitle();
    });
    on("stale", ({ turnId }) => this.#stale(turnId));
    on("problem", (error) => this.banner.problem(error?.message ?? "Something went wrong."));
  }

  #accepted({ entry, frame, turn }) {
    const now = new Date().toISOString();
    this.sidebar.put({
      id: frame.conversation_id,
      ...(frame.title ? { title: frame.title } : {}),
      updated_at: now,
      active_turn_id: isOver(turn) ? null : turn.id,
    });
    if (entry.conversationId !== this.conversationId) return;
    if (this.conversationId === null) this.#adopt(frame.conversation_id);
    this.thread.accept(entry.ref, frame.message_id);
    this.thread.showTurn(turn);
    this.#setActive(isOver(turn) ? null : turn.id);
    this.scroll.toEnd();
  }

  /** The conversation that did not exist has an id now. */
  #adopt(id) {
    this.conversationId = id;
    this.composer.conversationId = id;
    history.replaceState(null, "", `/chat/${id}/`);
    this.sidebar.activate(id);
    this.#showTitle();
  }

  #refused(entry) {
    if (entry.conversationId !== this.conversationId) return;
    this.thread.refuse(entry.ref, entry.refused, () => {
      this.session.resend(entry.ref);
      this.#refresh();
    });
    this.#refresh();
  }

  #turnChanged(turn) {
    if (!this.thread.answers.has(turn.id)) return; // of a conversation that is not open
    this.thread.showTurn(turn);
    if (!isOver(turn) || this.activeTurn !== turn.id) return;
    this.sidebar.put({ id: this.conversationId, active_turn_id: null });
    this.#setActive(null);
    $("announcer").textContent = turn.text ? `Karen answered: ${turn.text}` : "No answer.";
  }

  /** The event stream is gone or has a hole: the database has the truth. */
  async #stale(turnId) {
    if (!this.thread.answers.has(turnId)) return;
    const opening = this.opening;
    const page = await api.listMessages(this.conversationId).catch(() => null);
    if (opening !== this.opening) return;
    const stored = page?.results.find((m) => m.role === "assistant" && m.turn_id === turnId);
    if (stored && isOver(fromMessage(stored))) {
      this.thread.showTurn(fromMessage(stored));
      if (this.activeTurn === turnId) this.#setActive(null);
      return;
    }
    setTimeout(() => opening === this.opening && this.#follow(turnId), STALE_PAUSE_MS);
  }

  // -- what the reader does --------------------------------------------------------------------

  #listenToPage() {
    this.composer.addEventListener("send", ({ detail }) => this.send(detail));
    this.composer.addEventListener("stop", () => this.stop());
    this.composer.addEventListener("recall", () => this.composer.fill(this.thread.lastQuestion()));
    $("banner").querySelector("button").addEventListener("click", () => {
      if (this.connection.state === "stopped") location.reload();
      else this.connection.hurry();
    });
    addEventListener("online", () => this.connection.hurry());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.connection.hurry();
    });
    addEventListener("popstate", () => this.open(idOfAddress(), { push: false }));
    $("earlier").addEventListener("click", () =>
      this.#loadEarlier().catch((error) => this.banner.problem(error.message)),
    );
    $("missing-retry").addEventListener("click", () => this.open(this.conversationId, { push: false }));
    $("thread").addEventListener("click", (event) => this.#threadClicked(event));
    for (const starter of document.querySelectorAll("[data-starter]")) {
      starter.addEventListener("click", () => {
        this.composer.fill(starter.dataset.starter);
        this.composer.focus();
      });
    }
    document.addEventListener("click", (event) => this.#pageClicked(event));
    shortcuts.nameKeys($("help"));
    shortcuts.listen({
      newChat: () => this.open(null),
      search: () => this.#focusSearch(),
      sidebar: () => this.#toggleSidebar(),
      compose: () => this.composer.focus(),
      stop: () => (this.activeTurn ? void this.stop() : this.#closeDrawer()),
      help: () => $("help").showModal(),
    });
  }

  #pageClicked(event) {
    const target = event.target.closest("[data-do]");
    if (!target) return;
    const actions = {
      "new-chat": () => this.open(null),
      help: () => $("help").showModal(),
      "better-answers": () => $("better-answers").showModal(),
      sidebar: () => this.#toggleSidebar(),
      "close-drawer": () => this.#closeDrawer(),
    };
    if (target.tagName === "A" && (event.metaKey || event.ctrlKey || event.shiftKey)) return;
    event.preventDefault();
    actions[target.dataset.do]?.();
  }

  #threadClicked(event) {
    const button = event.target.closest("button[data-action]");
    if (!button) return;
    const turnId = button.closest("[data-turn]")?.dataset.turn;
    if (button.dataset.action === "copy-code") {
      copied(button, button.closest(".md-code").querySelector("code").textContent);
    } else if (button.dataset.action === "copy-answer") {
      copied(button, this.thread.textOf(turnId));
    } else if (button.dataset.action === "ask-again" && this.activeTurn === null) {
      const question = this.thread.questionOf(turnId);
      if (question) this.send(question);
    }
  }

  #listenToSidebar() {
    const on = (type, handler) => this.sidebar.addEventListener(type, ({ detail }) => handler(detail));
    on("open", (id) => this.open(id));
    on("renamed", () => this.#showTitle());
    on("deleted", (id) => id === this.conversationId && this.open(null));
    on("failed", (error) => this.banner.problem(error.message));
  }

  #focusSearch() {
    document.body.classList.remove("sidebar-closed");
    document.body.classList.add("drawer-open");
    $("search").focus();
  }

  #toggleSidebar() {
    const narrow = matchMedia("(max-width: 52rem)").matches;
    document.body.classList.toggle(narrow ? "drawer-open" : "sidebar-closed");
  }

  #closeDrawer() {
    document.body.classList.remove("drawer-open");
  }
}

/** The server lists the newest first; a conversation is read the other way. */
const oldestFirst = (messages) => [...messages].reverse();

const idOfAddress = () => location.pathname.match(/^\/chat\/([0-9a-f-]{36})\//)?.[1] ?? null;

async function copied(button, text) {
  if (!(await copyText(text))) return;
  setIcon(button, "check");
  setTimeout(() => setIcon(button, "copy"), 1500);
}

const page = new ChatPage(embedded("boot"));
page.start();
