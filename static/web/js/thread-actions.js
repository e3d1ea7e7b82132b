// What a reader can do with a message: copy, edit, ask again, rate, pin, fork, look behind it.

import * as api from "./api.js";
import { copyText, setIcon } from "./dom.js";
import { openInsight } from "./insight.js";
import { openMenu, promptDialog } from "./menu.js";

export class ThreadActions {
  /**
   * @param {{element: HTMLElement, open: import("./conversation.js").OpenConversation,
   *   session: import("./session.js").ChatSession, store: import("./store.js").Store,
   *   scroll: import("./scroll.js").StickyScroll, models: import("./models.js").ModelPicker,
   *   can: (what: string) => boolean,
   *   say: (text: string) => void, failed: (error: Error) => void,
   *   go: (conversationId: string) => void}} parts
   */
  constructor(parts) {
    Object.assign(this, parts);
    this.element.addEventListener("click", (event) => {
      const button = event.target.closest("button[data-action]");
      if (button) this.#run(button);
    });
    this.element.addEventListener("keydown", (event) => this.#pagerKey(event));
  }

  #run(button) {
    const { action } = button.dataset;
    if (action === "copy-code") {
      copied(button, button.closest(".md-code").querySelector("code").textContent);
      return;
    }
    const message = this.open.messages.get(button.closest("[data-message]")?.dataset.message);
    if (!message) return;
    const actions = {
      "copy-answer": () => copied(button, this.open.thread.answerOf(message.id)?.text ?? message.text),
      "copy-message": () => copied(button, message.text),
      previous: () => this.#turnPage(message, -1),
      next: () => this.#turnPage(message, 1),
      edit: () => this.#edit(message),
      "ask-again": () => this.regenerate(message, null),
      regenerate: () => this.#regenerateMenu(button, message),
      continue: () => this.session.send({ type: "continue", conversationId: this.open.id, messageId: message.id }),
      like: () => this.#rate(message, 1),
      dislike: () => this.#rate(message, -1),
      choose: () => this.open.showBranch(message.id),
      more: () => this.#more(button, message),
      memories: () => openInsight(message.turn_id, (id) => this.models.labelOf(id), { first: "memories" }),
    };
    actions[action]?.();
  }

  // -- branches ----------------------------------------------------------------------------------

  async #turnPage(message, step) {
    const row = this.open.rows.find((each) => each.message.id === message.id);
    const at = row.versions.findIndex((each) => each.includes(message));
    const target = row.versions[at + step]?.[0];
    if (!target) return;
    const shown = this.open.showBranch(target.id);
    const place = this.element.querySelector(`[data-message="${CSS.escape(target.id)}"]`);
    const wanted = place?.querySelector(`[data-action=${step > 0 ? "next" : "previous"}]`);
    (wanted?.disabled ? place.querySelector(`[data-action=${step > 0 ? "previous" : "next"}]`) : wanted)?.focus();
    await shown;
  }

  #pagerKey(event) {
    const pager = event.target.closest("[data-pager]");
    const action = { ArrowLeft: "previous", ArrowRight: "next" }[event.key];
    if (!pager || !action) return;
    event.preventDefault();
    const button = pager.querySelector(`[data-action=${action}]`);
    if (!button.disabled) this.#run(button);
  }

  #edit(message) {
    this.scroll.hold();
    this.open.thread.questionOf(message.id)?.edit((text) => {
      const attachments = (message.parts ?? []).filter(({ type }) => type === "attachment");
      this.session.send({
        conversationId: this.open.id,
        text,
        model: this.models.chosen,
        editOf: message.id,
        attachments: attachments.map(({ attachment_id: id }) => id),
        files: attachments,
      });
      this.open.draw();
    });
  }

  // -- asking again ------------------------------------------------------------------------------

  regenerate(message, model) {
    this.session.send({ type: "regenerate", conversationId: this.open.id, messageId: message.id, model });
    if (this.open.isOffline()) this.say("Another answer is asked for when the connection is back.");
  }

  #regenerateMenu(anchor, message) {
    const others = this.models.models.filter(({ id }) => id !== message.model);
    if (!others.length) {
      this.regenerate(message, null);
      return;
    }
    openMenu(anchor, "Another answer", [
      { label: "Try again", hint: this.models.labelOf(message.model), icon: "retry", run: () => this.regenerate(message, null) },
      "line",
      { heading: "With another model" },
      ...others.map(({ id, label }) => ({ label: label ?? id, run: () => this.regenerate(message, id) })),
    ]);
  }

  // -- opinions ----------------------------------------------------------------------------------

  async #rate(message, rating) {
    const before = message.feedback;
    const same = before?.rating === rating;
    await this.#try(async () => {
      this.#put(message, { feedback: same ? null : { rating, comment: before?.comment ?? "" } });
      if (same) await api.unrate(message.id);
      else await api.rate(message.id, rating, before?.comment ?? "");
    }, () => this.#put(message, { feedback: before }));
    if (!same && rating < 0) await this.#comment(message, rating);
  }

  async #comment(message, rating) {
    const comment = await promptDialog({
      title: "What was wrong?",
      label: "Your comment is kept with the answer (optional)",
      value: message.feedback?.comment ?? "",
      yes: "Keep",
      long: true,
      required: false,
      max: 2000,
    });
    if (!comment) return;
    await this.#try(async () => {
      await api.rate(message.id, rating, comment);
      this.#put(message, { feedback: { rating, comment } });
    });
  }

  async #pin(message) {
    const pinned = !message.pinned;
    this.#put(message, { pinned });
    await this.#try(() => (pinned ? api.pinMessage(message.id) : api.unpinMessage(message.id)), () =>
      this.#put(message, { pinned: !pinned }),
    );
  }

  #put(message, changed) {
    const known = this.open.messages.get(message.id) ?? message;
    const version = this.store.versions.get(message.id) ?? 0;
    const notice = { kind: "message", version, conversation_id: this.open.id, message: { ...known, ...changed } };
    this.store.apply(notice);
  }

  // -- the rest ----------------------------------------------------------------------------------

  #more(anchor, message) {
    const answer = message.role === "assistant";
    const items = [];
    if (this.can("pin")) {
      items.push({
        label: message.pinned ? "Unpin from the context" : "Pin to the context",
        hint: message.pinned ? "" : "Karen always sees it here",
        icon: "pin",
        run: () => this.#pin(message),
      });
    }
    if (this.can("fork")) {
      items.push({ label: "Fork from here", hint: "A new conversation up to this message", icon: "branch", run: () => this.#fork(message) });
    }
    if (answer && this.can("feedback")) {
      const rating = message.feedback?.rating ?? 1;
      items.push({ label: "Comment…", icon: "pencil", run: () => this.#comment(message, rating) });
    }
    if (answer && message.turn_id) {
      items.push({
        label: "About this answer",
        hint: "What the model saw, time, tokens",
        icon: "info",
        run: () => openInsight(message.turn_id, (id) => this.models.labelOf(id)),
      });
    }
    items.push({ label: "Copy a link to this message", icon: "link", run: () => this.#link(message) });
    openMenu(anchor, "Message", items);
  }

  async #fork(message) {
    await this.#try(async () => {
      const made = await api.fork(this.open.id, message.id);
      this.store.putConversation(made);
      this.go(made.id);
      this.say("This is a copy up to the message you chose.");
    });
  }

  async #link(message) {
    const address = new URL(`/chat/${this.open.id}/#m-${message.id}`, location.origin).href;
    this.say((await copyText(address)) ? "The link is in the clipboard." : address);
  }

  async #try(work, undo = () => {}) {
    try {
      await work();
    } catch (error) {
      undo();
      this.failed(error);
    }
  }
}

async function copied(button, text) {
  if (!(await copyText(text))) return;
  setIcon(button, "check");
  setTimeout(() => setIcon(button, "copy"), 1500);
}
