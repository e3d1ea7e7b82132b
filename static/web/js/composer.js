// The message box: grows with its text, keeps drafts, turns into a stop button while Karen writes.

import { setIcon } from "./dom.js";

const COUNTER_FROM = 0.9; // share of the limit from which the counter is shown

export class Composer extends EventTarget {
  /**
   * @param {HTMLFormElement} form
   * @param {import("./drafts.js").Drafts} drafts
   * @param {number} limit  most characters of one message
   */
  constructor(form, drafts, limit) {
    super();
    this.form = form;
    this.drafts = drafts;
    this.limit = limit;
    this.conversationId = null;
    this.busy = false;
    this.waiting = false;
    this.box = form.querySelector("textarea");
    this.early = this.box.value; // typed before this script had loaded
    this.button = form.querySelector("[data-submit]");
    this.counter = form.querySelector("[data-counter]");
    this.box.addEventListener("input", () => this.#changed());
    this.box.addEventListener("keydown", (event) => this.#key(event));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.busy) this.dispatchEvent(new CustomEvent("stop"));
      else this.#submit();
    });
    this.#fit();
  }

  /** Show the draft of a conversation (null: the one that does not exist yet). */
  open(conversationId) {
    this.conversationId = conversationId;
    this.fill(this.early || this.drafts.read(conversationId));
    this.early = "";
    this.form.dataset.ready = "";
  }

  fill(text) {
    this.box.value = text;
    this.#changed();
    this.box.setSelectionRange(text.length, text.length);
  }

  focus() {
    this.box.focus({ preventScroll: true });
  }

  get empty() {
    return this.box.value.trim() === "";
  }

  setBusy(busy) {
    if (busy === this.busy) return;
    this.busy = busy;
    this.form.classList.toggle("is-busy", busy);
    this.button.setAttribute("aria-label", busy ? "Stop the answer" : "Send");
    this.button.title = busy ? "Stop (Esc)" : "Send (Enter)";
    setIcon(this.button, busy ? "stop" : "send");
    this.#check();
  }

  /** A message is on its way: the next one may be written but not sent yet. */
  setWaiting(waiting) {
    this.waiting = waiting;
    this.#check();
  }

  #submit() {
    const text = this.box.value.trim();
    if (this.waiting || !text || text.length > this.limit) return;
    this.fill("");
    this.dispatchEvent(new CustomEvent("send", { detail: text }));
  }

  #key(event) {
    if (event.isComposing) return;
    const touch = matchMedia("(pointer: coarse)").matches;
    if (event.key === "Enter" && !event.shiftKey && !touch) {
      event.preventDefault();
      if (!this.busy) this.#submit();
    }
    if (event.key === "ArrowUp" && this.box.value === "") {
      event.preventDefault();
      this.dispatchEvent(new CustomEvent("recall"));
    }
  }

  #changed() {
    this.#fit();
    this.#check();
    this.drafts.write(this.conversationId, this.box.value);
  }

  #fit() {
    this.box.style.height = "auto";
    this.box.style.height = `${this.box.scrollHeight}px`;
  }

  #check() {
    const length = this.box.value.trim().length;
    const tooLong = length > this.limit;
    this.button.disabled = !this.busy && (this.waiting || this.empty || tooLong);
    this.counter.hidden = length < this.limit * COUNTER_FROM;
    this.counter.textContent = `${length.toLocaleString()} of ${this.limit.toLocaleString()}`;
    this.counter.classList.toggle("is-over", tooLong);
    this.box.setAttribute("aria-invalid", String(tooLong));
  }
}
