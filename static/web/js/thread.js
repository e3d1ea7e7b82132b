// The messages of the open conversation as DOM. Knows nothing of sockets or storage.

import { fromTemplate, icon, make } from "./dom.js";
import { MarkdownView } from "./markdown.js";
import { isOver, newTurn } from "./turns.js";

const STATUS = {
  queued: "Waiting for the model…",
  retrying: "The worker restarted. Continuing…",
  cancelled: "You stopped this answer.",
  interrupted: "This answer was cut off.",
  failed: "No answer this time.",
};
const CUT_BY_LENGTH = "The answer reached the length limit.";

export class Thread {
  /** @param {HTMLElement} element  the list of messages */
  constructor(element) {
    this.element = element;
    this.answers = new Map(); // turn id → {root, view, turn}
    this.pending = new Map(); // outbox ref → root of the user's message
    this.labelOf = (model) => model ?? "";
  }

  clear() {
    this.element.replaceChildren();
    this.answers.clear();
    this.pending.clear();
  }

  get empty() {
    return this.element.childElementCount === 0;
  }

  /** Show stored messages, oldest first. `before` puts earlier pages above what is there. */
  addStored(messages, { before = false } = {}) {
    const present = before ? [...this.element.children] : [];
    for (const message of messages) {
      if (message.role === "user") this.#addUser(message.text, message);
      else this.showTurn(fromMessage(message), { at: message.created_at });
    }
    this.element.append(...present);
  }

  #addUser(text, { id = "", created_at: at = "" } = {}) {
    const root = fromTemplate("user-message-template");
    root.querySelector("[data-text]").textContent = text;
    root.dataset.message = id;
    if (at) root.title = new Date(at).toLocaleString();
    this.element.append(root);
    return root;
  }

  /** Show a message that is on its way. */
  addPending(entry) {
    const root = this.#addUser(entry.text);
    root.classList.add("is-pending");
    this.pending.set(entry.ref, root);
    return root;
  }

  markOffline(offline) {
    for (const root of this.pending.values()) {
      if (root.classList.contains("is-refused")) continue;
      root.querySelector("[data-note]").textContent = offline
        ? "Will be sent when the connection is back."
        : "";
    }
  }

  /** The server has it. After a reload it may be listed already: then it is shown once. */
  accept(ref, messageId) {
    const root = this.pending.get(ref);
    this.pending.delete(ref);
    if (!root) return;
    if (this.element.querySelector(`[data-message="${CSS.escape(messageId)}"]`)) {
      root.remove();
      return;
    }
    root.dataset.message = messageId;
    root.classList.remove("is-pending", "is-refused");
    root.querySelector("[data-note]").replaceChildren();
  }

  /** Show why a message was not taken, with a way to try again. */
  refuse(ref, message, onRetry) {
    const root = this.pending.get(ref);
    if (!root) return;
    root.classList.replace("is-pending", "is-refused");
    const retry = make("button", { type: "button", className: "button-quiet" }, icon("retry"), " Try again");
    retry.addEventListener("click", () => {
      root.classList.replace("is-refused", "is-pending");
      root.querySelector("[data-note]").replaceChildren();
      onRetry();
    });
    root.querySelector("[data-note]").replaceChildren(`Not sent. ${message} `, retry);
  }

  /** Create or update the answer of one turn. */
  showTurn(turn, { at = null } = {}) {
    const answer = this.answers.get(turn.id) ?? this.#addAnswer(turn.id, at);
    answer.turn = turn;
    const { root, view } = answer;
    const over = isOver(turn);
    root.dataset.status = turn.status;
    root.querySelector("[data-model]").textContent = this.labelOf(turn.model);
    root.setAttribute("aria-busy", String(!over));
    if (over) view.finish(turn.text);
    else view.show(turn.text);
    const waiting = !over && turn.text === "";
    root.querySelector("[data-waiting]").hidden = !waiting;
    this.#showStatus(root, turn);
    root.querySelector("[data-actions]").hidden = !over;
    root.querySelector("[data-action=copy-answer]").hidden = turn.text === "";
    root.querySelector("[data-action=ask-again]").hidden = !["failed", "interrupted"].includes(turn.status);
  }

  #addAnswer(turnId, at) {
    const root = fromTemplate("answer-template");
    root.dataset.turn = turnId;
    if (at) root.title = new Date(at).toLocaleString();
    const view = new MarkdownView(root.querySelector("[data-body]"));
    const answer = { root, view, turn: null };
    this.answers.set(turnId, answer);
    this.element.append(root);
    return answer;
  }

  #showStatus(root, turn) {
    const line = root.querySelector("[data-status-line]");
    let text = STATUS[turn.status] ?? "";
    if (turn.status === "retrying") text = `The worker restarted. Continuing (attempt ${turn.attempt + 1})…`;
    else if (turn.attempt > 1 && turn.text === "" && !isOver(turn))
      text = `The worker restarted. Continuing (attempt ${turn.attempt})…`;
    else if (turn.status === "queued" && turn.text) text = "";
    if (turn.status === "failed" && turn.error?.message) text = turn.error.message;
    if (turn.status === "complete" && turn.finishReason === "length") text = CUT_BY_LENGTH;
    if (turn.status === "complete" && turn.text.trim() === "") text = "The model gave an empty answer.";
    line.textContent = text;
    line.hidden = text === "";
    const reference = root.querySelector("[data-reference]");
    const id = turn.status === "failed" ? turn.error?.correlation_id : null;
    reference.hidden = !id;
    if (id) reference.textContent = `Reference ${id}`;
  }

  /** Drop everything shown after a reload made it obsolete. */
  removeTurn(turnId) {
    this.answers.get(turnId)?.root.remove();
    this.answers.delete(turnId);
  }

  /** Learn the readable names of models, also for answers already shown. */
  relabel(labelOf) {
    this.labelOf = labelOf;
    for (const { root, turn } of this.answers.values()) {
      root.querySelector("[data-model]").textContent = labelOf(turn.model);
    }
  }

  textOf(turnId) {
    return this.answers.get(turnId)?.turn?.text ?? "";
  }

  /** @returns the user's words that a turn answered */
  questionOf(turnId) {
    let node = this.answers.get(turnId)?.root.previousElementSibling;
    while (node && !node.matches(".message-user")) node = node.previousElementSibling;
    return node?.querySelector("[data-text]").textContent ?? "";
  }

  lastQuestion() {
    const all = this.element.querySelectorAll(".message-user [data-text]");
    return all.length ? all[all.length - 1].textContent : "";
  }
}

/** A stored assistant message in the shape of a turn. */
export function fromMessage(message) {
  return newTurn(message.turn_id ?? message.id, {
    text: message.text,
    status: message.status,
    model: message.model,
    messageId: message.id,
    error: message.error ?? null,
    finishReason: message.finish_reason ?? null,
  });
}
