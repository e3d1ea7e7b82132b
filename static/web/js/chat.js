// The chat page: wires the parts together. Each part knows its own matter only.

import * as api from "./api.js";
import { Banner } from "./banner.js";
import { Composer } from "./composer.js";
import { Connection } from "./connection.js";
import { OpenConversation } from "./conversation.js";
import { embedded } from "./dom.js";
import { Drafts } from "./drafts.js";
import { highlightWords } from "./found.js";
import { openMenu } from "./menu.js";
import { ModelPicker } from "./models.js";
import { Organiser } from "./organise.js";
import { Outbox } from "./outbox.js";
import { Presence } from "./presence.js";
import { QueueTray } from "./queue.js";
import { StickyScroll } from "./scroll.js";
import { SearchPanel } from "./search-panel.js";
import { ChatSession } from "./session.js";
import { Gauge, SettingsPanel } from "./settings.js";
import { openSharing } from "./sharing.js";
import * as shortcuts from "./shortcuts.js";
import { Sidebar } from "./sidebar.js";
import { Store } from "./store.js";
import { ThreadActions } from "./thread-actions.js";
import { Thread } from "./thread.js";
import { Uploads } from "./uploads.js";

const $ = (id) => document.getElementById(id);
const READY_PATIENCE_MS = 300; // how long a first load waits for the socket
const NEAR_TOP = 600; // px

class ChatPage {
  #loadedOnce = false;
  #members = new Map(); // user id → label
  #preferred = null; // the model that the open conversation is configured to use
  #temporary = false; // whether the next new conversation leaves no trace

  constructor(boot) {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.boot = boot;
    this.connection = new Connection(`${scheme}://${location.host}/ws/chat/`);
    this.session = new ChatSession(this.connection, new Outbox(sessionStorage));
    this.store = new Store();
    this.choices = { personas: null, tools: null };
    this.banner = new Banner($("banner"));
    this.thread = new Thread($("thread"), {
      turnOf: (id) => this.open.turnOf(id),
      viewOf: (id) => this.open.viewOf(id),
      labelOf: (id) => this.models.labelOf(id),
      authorOf: (message) => this.#authorOf(message),
      can: (what) => this.can(what),
    });
    this.open = new OpenConversation({
      store: this.store,
      session: this.session,
      thread: this.thread,
      isOffline: () => this.connection.state === "offline",
    });
    this.scroll = new StickyScroll($("scroller"), $("thread"), $("jump"));
    this.composer = new Composer($("composer"), new Drafts(localStorage), boot.max_characters);
    this.uploads = new Uploads({ list: $("files"), input: $("file-input"), store: this.store });
    this.composer.files = this.uploads;
    this.models = new ModelPicker({ select: $("model"), label: $("model-name"), note: $("model-note"), compare: $("compare"), chips: $("compare-chips") });
    this.queue = new QueueTray($("queue"), { onNow: () => this.stop(), onCancel: (item) => this.#cancelQueued(item) });
    this.presence = new Presence({ avatars: $("presence"), line: $("typing") });
    this.gauge = new Gauge($("gauge"));
    this.settings = new SettingsPanel(
      { panel: $("settings"), body: $("settings-body"), toggle: $("settings-toggle") },
      { store: this.store, change: (options) => this.organiser.change(this.open.id, options), models: () => this.models.models, choices: this.choices },
    );
    this.sidebar = new Sidebar(
      { list: $("conversations"), search: $("search"), more: $("more-conversations"), bar: $("bulk-bar"), tags: $("tags"), title: $("list-title") },
      this.store,
    );
    this.organiser = new Organiser({
      store: this.store,
      sidebar: this.sidebar,
      say: (text) => this.banner.say(text),
      failed: (error) => this.banner.problem(error.message),
      gone: (id) => id === this.open.id && this.go(null),
      open: (id) => this.go(id),
      share: (id) => this.share(id),
      picker: $("import-input"),
    });
    this.search = new SearchPanel({
      input: $("search"),
      panel: $("results-panel"),
      list: $("results"),
      open: (id, messageId, words) => this.go(id, { messageId, words }),
    });
    this.actions = new ThreadActions({
      element: $("thread"),
      open: this.open,
      session: this.session,
      store: this.store,
      scroll: this.scroll,
      models: this.models,
      can: (what) => this.can(what),
      say: (text) => this.banner.say(text),
      failed: (error) => this.banner.problem(error.message),
      go: (id) => this.go(id),
    });
  }

  /** What this installation offers; folders came with everything around them. */
  can(what) {
    return { feedback: true, pin: true, fork: true }[what] === true && this.store.folders !== null;
  }

  start() {
    this.#listenToSession();
    this.#listenToConversation();
    this.#listenToPage();
    this.connection.open();
    this.go(this.boot.conversation_id, { push: false, load: false, messageId: messageOfAddress() });
    setTimeout(() => this.#loadedOnce || this.#loadAll(), READY_PATIENCE_MS);
    this.#learnChoices();
  }

  /** Read what is shown: at the start, and when notices were lost. */
  async #loadAll() {
    this.#loadedOnce = true;
    const { messageId } = this;
    await Promise.all([
      this.sidebar.load().catch((error) => this.banner.problem(error.message)),
      this.organiser.loadFolders().catch(() => null), // the list works without
      this.open.load(),
    ]);
    if (messageId && this.messageId === messageId) await this.#jump(messageId);
  }

  async #learnChoices() {
    const ask = (promise) => api.optional(promise).catch(() => null); // a convenience; the chat works without
    const [personas, tools, commands, unsent, members] = await Promise.all(
      [api.listPersonas(), api.listTools(), api.listCommands(), api.listUnsent(), api.listMembers()].map(ask),
    );
    Object.assign(this.choices, { personas, tools });
    this.composer.commands.know(commands ?? []);
    if (unsent !== null) this.uploads.restore(unsent);
    $("attach").hidden = unsent === null;
    for (const { id, label } of members ?? []) this.#members.set(id, label);
    this.thread.refreshAll();
  }

  // -- going somewhere -----------------------------------------------------------------------------

  /** Show a conversation; null is the empty page of a new one. */
  async go(id, { push = true, load = true, messageId = null, words = "", temporary = false } = {}) {
    const same = id !== null && id === this.open.id;
    const hash = messageId ? `#m-${messageId}` : "";
    if (!same) this.#forgetTemporary();
    if (push) history.pushState(null, "", id ? `/chat/${id}/${hash}` : "/chat/");
    this.#closeDrawer();
    this.messageId = messageId;
    if (!same) {
      $("missing").hidden = true;
      this.#temporary = id === null && temporary;
      this.sidebar.activate(id);
      this.composer.open(id);
      this.presence.open(id);
      this.gauge.refresh(null);
      this.settings.draft = {};
      this.#preferred = null;
      this.scroll.toEnd();
      if (id) $("scroller").setAttribute("aria-busy", "true");
      const opened = load ? this.open.open(id) : this.#openLater(id);
      this.#show();
      if (matchMedia("(pointer: fine)").matches) this.composer.focus();
      await opened;
      if (load && id === this.open.id) $("scroller").removeAttribute("aria-busy");
    }
    if (id === this.open.id && messageId && load) await this.#jump(messageId, words);
  }

  /** A temporary conversation ends when its reader leaves it. */
  #forgetTemporary() {
    const { conversation } = this.open;
    if (!conversation?.temporary || conversation.owner_id !== this.session.me?.id) return;
    api.deleteConversation(conversation.id).catch(() => null); // the server forgets it by itself later
  }

  #openLater(id) {
    this.open.id = id;
    this.session.focus(id);
    this.open.draw();
    return Promise.resolve();
  }

  async #jump(messageId, words = "") {
    const element = await this.open.reach(messageId);
    if (!element) {
      this.banner.say("This message is not there any more.");
      return;
    }
    this.scroll.hold();
    this.scroll.center(element);
    element.classList.add("is-found");
    element.tabIndex = -1;
    element.focus({ preventScroll: true });
    if (words) highlightWords(element, words);
    setTimeout(() => element.classList.remove("is-found"), 2500);
  }

  // -- sending -------------------------------------------------------------------------------------

  send({ text, delivery }) {
    const id = this.open.id;
    const options = id === null ? { ...this.settings.draft, ...(this.#temporary ? { temporary: true } : {}) } : null;
    this.session.send({
      conversationId: id,
      text,
      model: this.models.chosen,
      models: this.models.several,
      attachments: this.uploads.ids,
      files: this.uploads.parts,
      delivery: this.open.activeTurns.length ? delivery : undefined,
      options: options && Object.keys(options).length ? options : null,
    });
    this.uploads.clear();
    this.thread.trim();
    this.open.draw();
    this.scroll.toEnd();
  }

  /** Stop what is being written on this branch; what waits goes on. */
  async stop() {
    for (const turnId of this.open.shownTurns) {
      if (this.session.stop(turnId)) continue;
      await api.cancelTurn(turnId).catch((error) => this.banner.problem(error.message));
    }
  }

  async #cancelQueued(item) {
    if (item.ref) {
      this.open.withdraw(item.ref);
      return;
    }
    await api.cancelTurn(item.turnId).catch((error) => this.banner.problem(error.message));
  }

  // -- what is shown -------------------------------------------------------------------------------

  #show() {
    const { open } = this;
    const pending = this.session.outbox.of(open.id).some((entry) => entry.refused === undefined);
    const active = open.shownTurns;
    this.queue.show(open.waiting);
    this.composer.setState({
      busy: active.length > 0,
      steerable: active.length > 0 && open.waiting.length === 0,
      waiting: pending && open.id === null,
    });
    const missing = !$("missing").hidden;
    $("welcome").hidden = open.id !== null || !this.thread.empty || missing;
    $("earlier").hidden = open.complete && this.thread.hiddenAbove === 0;
    const { conversation } = open;
    const temporary = conversation?.temporary ?? (open.id === null && this.#temporary);
    document.body.classList.toggle("is-temporary", temporary);
    $("temporary-note").hidden = !temporary;
    for (const button of document.querySelectorAll("[data-do=temporary]")) button.setAttribute("aria-pressed", String(temporary));
    const title = open.id ? this.sidebar.titleOf(open.id) : temporary ? "Temporary chat" : "New conversation";
    $("title").textContent = temporary && !conversation?.title ? "Temporary chat" : title;
    document.title = open.id ? `${title} · Karen` : "Karen";
    if (conversation && conversation.model !== this.#preferred) {
      this.#preferred = conversation.model;
      this.models.prefer(conversation.model);
    }
    $("conversation-more").hidden = open.id === null;
    $("share").hidden = open.id === null || this.store.folders === null || temporary;
    this.settings.open(conversation);
  }

  #authorOf(message) {
    const { conversation } = this.open;
    const alone = !conversation?.participants?.length;
    if (alone || !message.author_id || message.author_id === this.session.me?.id) return null;
    return this.#members.get(message.author_id) ?? "Somebody";
  }

  share(id) {
    const owner = this.store.conversations.get(id)?.owner_id;
    openSharing(id, { failed: (error) => this.banner.problem(error.message), mine: owner === this.session.me?.id, me: this.session.me?.id });
  }

  // -- what the server says ------------------------------------------------------------------------

  #listenToSession() {
    const on = (type, handler) => this.session.addEventListener(type, ({ detail }) => handler(detail));
    on("state", ({ state, reason }) => {
      this.banner.show(state, reason);
      this.open.draw();
    });
    on("models", (models) => {
      this.models.show(models);
      this.models.prefer(this.open.conversation?.model);
      this.thread.refreshAll();
    });
    on("ready", () => (this.presence.me = this.session.me?.id));
    on("fresh", async ({ cursor }) => {
      await this.#loadAll();
      this.session.followNotices(cursor);
    });
    on("gap", () => this.#loadAll());
    on("notice", (notice) => {
      this.store.apply(notice);
      if (notice.kind === "message" && notice.message.author_id) this.presence.wrote(notice.message.author_id);
    });
    on("presence", (frame) => this.presence.present(frame));
    on("typing", (frame) => this.presence.typing(frame));
    on("problem", (error) => this.banner.problem(error?.message ?? "Something went wrong."));
  }

  #listenToConversation() {
    const on = (type, handler) => this.open.addEventListener(type, ({ detail }) => handler(detail));
    on("shown", () => this.#show());
    on("adopt", (frame) => this.#adopt(frame));
    on("ended", (turn) => {
      $("announcer").textContent = turn.text ? `Karen answered: ${turn.text}` : "No answer.";
      this.gauge.refresh(this.open.id);
    });
    on("failed", (error) => this.banner.problem(error.message));
    on("withdrawn", (entry) => {
      if (entry && this.composer.empty) this.composer.fill(entry.text);
      this.composer.focus();
    });
    on("missing", (error) => this.#missing(error));
    this.store.addEventListener("change", ({ detail }) => {
      if (detail.kind === "thread" && detail.conversationId === this.open.id) {
        $("scroller").removeAttribute("aria-busy");
        $("missing").hidden = true;
        this.gauge.refresh(this.open.id);
      }
      if (detail.kind === "folders" || detail.kind === "conversations") this.thread.refreshAll();
      if (detail.kind === "folders" || detail.kind === "conversation") this.#show();
    });
  }

  /** The conversation that did not exist has an id now. */
  #adopt(frame) {
    const id = frame.conversation_id;
    history.replaceState(null, "", `/chat/${id}/`);
    this.composer.conversationId = id;
    this.presence.open(id);
    this.store.putConversation({
      id,
      version: 0,
      title: frame.title,
      updated_at: new Date().toISOString(),
      temporary: this.#temporary,
      ...this.store.conversations.get(id),
    });
    this.open.adopt(id);
    this.sidebar.activate(id);
  }

  #missing(error) {
    $("scroller").removeAttribute("aria-busy");
    const gone = error.status === 404;
    if (!gone && this.open.loaded) {
      this.banner.problem(error.message);
      return;
    }
    this.thread.clear();
    $("missing-text").textContent = gone
      ? "This conversation does not exist, or it is not yours."
      : `The conversation could not be loaded. ${error.message}`;
    $("missing-retry").hidden = gone;
    $("missing").hidden = false;
    this.#show();
  }

  // -- what the reader does ------------------------------------------------------------------------

  #listenToPage() {
    this.composer.addEventListener("send", ({ detail }) => this.send(detail));
    this.composer.addEventListener("stop", () => this.stop());
    this.composer.addEventListener("recall", () => this.composer.fill(this.thread.lastQuestion()?.text ?? ""));
    this.composer.addEventListener("files", ({ detail }) => this.uploads.add(detail));
    this.composer.addEventListener("typing", () => this.open.id && this.session.typing(this.open.id));
    this.uploads.addEventListener("change", () => this.composer.check());
    this.sidebar.addEventListener("open", ({ detail }) => this.go(detail));
    this.sidebar.addEventListener("failed", ({ detail }) => this.banner.problem(detail.message));
    $("banner").querySelector("button").addEventListener("click", () => {
      if (this.connection.state === "stopped") location.reload();
      else this.connection.hurry();
    });
    addEventListener("online", () => this.connection.hurry());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.connection.hurry();
    });
    addEventListener("popstate", () => this.go(idOfAddress(), { push: false, messageId: messageOfAddress() }));
    $("scroller").addEventListener("scroll", () => $("scroller").scrollTop < NEAR_TOP && this.#earlier(), { passive: true });
    $("earlier").addEventListener("click", () => this.#earlier());
    $("missing-retry").addEventListener("click", () => this.#loadAll());
    for (const starter of document.querySelectorAll("[data-starter]")) {
      starter.addEventListener("click", () => {
        this.composer.fill(starter.dataset.starter);
        this.composer.focus();
      });
    }
    document.addEventListener("click", (event) => this.#pageClicked(event));
    this.#listenToDrops();
    shortcuts.nameKeys($("help"));
    shortcuts.listen({
      newChat: () => this.go(null),
      search: () => this.#focusSearch(),
      sidebar: () => this.#toggleSidebar(),
      compose: () => this.composer.focus(),
      stop: () => (this.open.shownTurns.length ? void this.stop() : this.#closeDrawer()),
      help: () => $("help").showModal(),
    });
  }

  /** Show what is above, keeping the reader's place. */
  async #earlier() {
    const scroller = $("scroller");
    const keeping = (work) => {
      const fromEnd = scroller.scrollHeight - scroller.scrollTop;
      work();
      scroller.scrollTop = scroller.scrollHeight - fromEnd;
    };
    if (this.thread.hiddenAbove > 0) {
      keeping(() => this.thread.reveal());
      this.#show();
    } else if (!this.open.complete) {
      const more = await this.open.loadOlder().catch((error) => this.banner.problem(error.message));
      if (more && scroller.scrollTop < NEAR_TOP) keeping(() => this.thread.reveal());
    }
  }

  #pageClicked(event) {
    const target = event.target.closest("[data-do]");
    if (!target) return;
    if (target.tagName === "A" && (event.metaKey || event.ctrlKey || event.shiftKey)) return;
    const actions = {
      "new-chat": () => this.go(null),
      temporary: () => this.go(null, { temporary: !(this.open.id === null && this.#temporary) }).then(() => this.#restart()),
      help: () => $("help").showModal(),
      "better-answers": () => $("better-answers").showModal(),
      sidebar: () => this.#toggleSidebar(),
      "close-drawer": () => this.#closeDrawer(),
      attach: () => $("file-input").click(),
      share: () => this.share(this.open.id),
      "list-menu": () => this.#listMenu(target),
      "conversation-menu": () => openMenu(target, "Conversation", this.organiser.itemsFor(this.open.id, target)),
    };
    event.preventDefault();
    actions[target.dataset.do]?.();
  }

  #restart() {
    this.#show();
    this.composer.focus();
  }

  #listMenu(anchor) {
    const folders = this.store.folders !== null;
    const { archived } = this.sidebar;
    openMenu(anchor, "List", [
      ...(folders ? [{ label: "New folder…", icon: "folder", run: () => this.organiser.createFolder() }] : []),
      ...(folders ? [{ label: "Select several", icon: "check", run: () => this.sidebar.choose(true) }] : []),
      { label: archived ? "Back to conversations" : "Archived conversations", icon: "archive", run: () => this.sidebar.showArchived(!archived) },
      ...(folders ? ["line", { label: "Import…", hint: "Karen’s JSON or ChatGPT’s export", icon: "upload", run: () => $("import-input").click() }] : []),
    ]);
  }

  #listenToDrops() {
    let depth = 0;
    const hasFiles = (event) => this.uploads.enabled && event.dataTransfer?.types.includes("Files");
    const mark = (on) => ($("drop").hidden = !on);
    addEventListener("dragenter", (event) => {
      if (!hasFiles(event)) return;
      depth += 1;
      mark(true);
    });
    addEventListener("dragleave", (event) => {
      if (hasFiles(event) && (depth -= 1) <= 0) mark(false);
    });
    addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
    addEventListener("drop", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      depth = 0;
      mark(false);
      this.uploads.add(event.dataTransfer.files);
      this.composer.focus();
    });
  }

  #focusSearch() {
    document.body.classList.remove("sidebar-closed");
    document.body.classList.add("drawer-open");
    $("search").focus();
    $("search").select();
  }

  #toggleSidebar() {
    const narrow = matchMedia("(max-width: 52rem)").matches;
    const open = document.body.classList.toggle(narrow ? "drawer-open" : "sidebar-closed");
    if (narrow && open) $("sidebar").querySelector("[data-do=sidebar]").focus();
  }

  #closeDrawer() {
    document.body.classList.remove("drawer-open");
  }
}

const idOfAddress = () => location.pathname.match(/^\/chat\/([0-9a-f-]{36})\//)?.[1] ?? null;
const messageOfAddress = () => location.hash.match(/^#m-([0-9a-f-]{36})$/)?.[1] ?? null;

const page = new ChatPage(embedded("boot"));
page.start();
