// One answer as DOM: its words, thoughts, tool calls, state, and what can be done with it.

import { fromTemplate } from "./dom.js";
import { MarkdownView } from "./markdown.js";
import { CallsView, fromParts } from "./parts.js";
import { isOver } from "./turns.js";

const STATUS = {
  queued: "Waiting for the model…",
  retrying: "The worker restarted. Continuing…",
  cancelled: "You stopped this answer.",
  interrupted: "This answer was cut off.",
  failed: "No answer this time.",
};
const CUT_BY_LENGTH = "The answer reached the length limit.";
const LEVELS = {
  2: ["Another model", "The model that was asked for did not answer, so another one did."],
  3: ["Local model only", "No provider could be reached: a model on this machine answered."],
  4: ["No model", "No language model could be reached. This is what could be said without one."],
};

/**
 * What is to be shown of an answer: what is stored, or what is arriving.
 *
 * @param {object} message  the stored answer
 * @param {import("./turns.js").Turn|null} turn  what the events said so far
 * @param {object|null} view  the turn as REST shows it, where that is known
 */
export function answerState(message, turn, view = null) {
  if (message.status === "streaming" && turn) return { ...turn, arriving: !isOver(turn) };
  return {
    text: message.text,
    ...fromParts(message.parts),
    status: message.status === "streaming" ? "queued" : message.status,
    model: message.model,
    error: message.error ?? null,
    attempt: view?.attempt ?? turn?.attempt ?? 0,
    level: view?.level ?? turn?.level ?? 1,
    finishReason: view?.finish_reason ?? turn?.finishReason ?? null,
    arriving: message.status === "streaming",
  };
}

/** Whether the rest of an answer can be asked for. */
export const canContinue = ({ status, text, finishReason }) =>
  text !== "" && (["cancelled", "interrupted"].includes(status) || (status === "complete" && finishReason === "length"));

export class AnswerView {
  #drawn = null; // what the body shows: text and whether it is final
  #state = null;

  constructor(message) {
    this.message = message;
    this.root = fromTemplate("answer-template");
    const part = (name) => this.root.querySelector(`[data-${name}]`);
    this.markdown = new MarkdownView(part("body"));
    this.calls = new CallsView(part("calls"));
    this.parts = Object.fromEntries(
      ["reasoning", "thoughts", "waiting", "status-line", "reference", "actions", "model", "level", "pager", "pager-text", "pinned", "choose", "column-head", "memories", "memories-text"]
        .map((name) => [name, part(name)]),
    );
    this.buttons = Object.fromEntries(
      [...this.root.querySelectorAll("[data-action]")].map((each) => [each.dataset.action, each]),
    );
  }

  get text() {
    return this.#state?.text ?? "";
  }

  get state() {
    return this.#state;
  }

  /**
   * @param {object} message
   * @param {object} world  `turnOf`, `viewOf`, `labelOf`, `can`
   * @param {{number: number, count: number}} version  which of how many
   */
  update(message, world, version = { number: 1, count: 1 }) {
    this.message = message;
    this.world = world;
    this.root.dataset.message = message.id;
    this.root.dataset.turn = message.turn_id ?? "";
    this.root.title = new Date(message.created_at).toLocaleString();
    this.#showPager(version);
    this.#showChoices(message, world);
    this.refresh();
  }

  /** Show what arrived meanwhile. */
  refresh() {
    const { message, world } = this;
    const state = answerState(message, world.turnOf(message.turn_id), world.viewOf(message.turn_id));
    this.#state = state;
    const { root, parts } = this;
    root.dataset.status = state.status;
    root.setAttribute("aria-busy", String(state.arriving));
    this.#showText(state);
    this.calls.show(state.tools ?? []);
    parts.reasoning.hidden = !state.reasoning;
    if (parts.thoughts.textContent !== state.reasoning) parts.thoughts.textContent = state.reasoning ?? "";
    parts.waiting.hidden = !state.arriving || state.text !== "";
    parts.model.textContent = world.labelOf(state.model || message.model);
    parts["column-head"].textContent = parts.model.textContent;
    this.#showLevel(state);
    this.#showStatus(state);
    parts.actions.hidden = state.arriving;
    this.buttons["copy-answer"].hidden = state.text === "";
    this.buttons.continue.hidden = !canContinue(state);
    this.buttons["ask-again"].hidden = !["failed", "interrupted"].includes(state.status);
  }

  #showText(state) {
    const drawn = this.#drawn;
    if (drawn && drawn.text === state.text && drawn.final === !state.arriving) return;
    this.#drawn = { text: state.text, final: !state.arriving };
    if (state.arriving) this.markdown.show(state.text);
    else this.markdown.finish(state.text);
  }

  #showPager({ number, count }) {
    this.parts.pager.hidden = count < 2;
    this.parts["pager-text"].textContent = `${number}/${count}`;
    this.buttons.previous.disabled = number <= 1;
    this.buttons.next.disabled = number >= count;
  }

  #showChoices(message, world) {
    const { buttons } = this;
    const rating = message.feedback?.rating ?? 0;
    for (const [name, value] of [["like", 1], ["dislike", -1]]) {
      buttons[name].hidden = !world.can("feedback") || message.kind === "command";
      buttons[name].setAttribute("aria-pressed", String(rating === value));
    }
    buttons.regenerate.hidden = message.kind === "command";
    this.parts.pinned.hidden = !message.pinned;
    this.#showMemories(message.memories_used ?? 0);
    this.root.classList.toggle("is-command", message.kind === "command");
  }

  #showMemories(count) {
    this.parts.memories.hidden = count === 0;
    this.parts["memories-text"].textContent = count === 1 ? "1 memory" : `${count} memories`;
  }

  #showLevel({ level }) {
    const badge = this.parts.level;
    const words = LEVELS[level];
    badge.hidden = !words;
    if (!words) return;
    badge.textContent = words[0];
    badge.title = words[1];
  }

  #showStatus(state) {
    const line = this.parts["status-line"];
    let text = STATUS[state.status] ?? "";
    if (state.status === "queued" && !state.arriving) text = "";
    if (state.status === "cancelled" && !state.text && !state.attempt) text = "Stopped before it began.";
    if (state.status === "retrying") text = `The worker restarted. Continuing (attempt ${state.attempt + 1})…`;
    if (state.status === "failed") text = state.error?.message ?? STATUS.failed;
    if (state.status === "complete" && state.finishReason === "length") text = CUT_BY_LENGTH;
    if (state.status === "complete" && state.text === "" && !state.tools?.length) text = "The model returned nothing.";
    line.textContent = text;
    line.hidden = text === "";
    const reference = this.parts.reference;
    const id = state.status === "failed" ? state.error?.correlation_id : null;
    reference.hidden = !id;
    reference.textContent = id ? `Reference ${id}` : "";
  }
}
