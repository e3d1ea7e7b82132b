// The message box: grows with its text, keeps drafts, takes files and commands. While Karen writes
// it stays open: Enter queues, Ctrl+Enter or "Send now" steers, an empty box stops.
//
// Emits `send` with `{text, delivery}`, `stop`, `recall`, `typing`, `files`.

import { setIcon } from "./dom.js";
import { SlashMenu } from "./slash.js";

const COUNTER_FROM = 0.9; // share of the limit from which the counter is shown
const TYPING_MS = 3000;

export class Composer extends EventTarget {
  #saidTyping = 0;

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
    this.steerable = false;
    this.files = null; // set by the page: {empty, busy}
    this.box = form.querySelector("textarea");
    this.early = this.box.value; // typed before this script had loaded
    this.button = form.querySelector("[data-submit]");
    this.stopButton = form.querySelector("[data-stop]");
    this.steerButton = form.querySelector("[data-steer]");
    this.counter = form.querySelector("[data-counter]");
    this.commands = new SlashMenu({
      box: this.box,
      list: form.querySelector("[data-commands]"),
      choose: (text) => {
        this.fill(text);
        this.focus();
      },
    });
    this.box.addEventListener("input", () => this.#changed());
    this.box.addEventListener("keydown", (event) => this.#key(event));
    this.box.addEventListener("paste", (event) => this.#paste(event));
    this.stopButton.addEventListener("click", () => this.#stop());
    this.steerButton.addEventListener("click", () => this.#submit("steer"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
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
    this.#changed({ byHand: false });
    this.box.setSelectionRange(text.length, text.length);
  }

  focus() {
    this.box.focus({ preventScroll: true });
  }

  get empty() {
    return this.box.value.trim() === "" && (this.files?.empty ?? true);
  }

  /** @param {{busy: boolean, steerable: boolean, waiting: boolean}} state */
  setState({ busy, steerable, waiting }) {
    Object.assign(this, { busy, steerable, waiting });
    this.form.classList.toggle("is-busy", busy);
    this.check();
  }

  #stop() {
    this.dispatchEvent(new CustomEvent("stop"));
    this.focus();
  }

  #submit(delivery = "queue") {
    const text = this.box.value.trim();
    if (this.waiting || this.empty || this.files?.busy || text.length > this.limit) return;
    const wanted = delivery === "steer" && this.steerable ? "steer" : "queue";
    this.fill("");
    this.dispatchEvent(new CustomEvent("send", { detail: { text, delivery: wanted } }));
    this.focus();
  }

  #key(event) {
    if (event.isComposing || this.commands.key(event)) return;
    const touch = matchMedia("(pointer: coarse)").matches;
    if (event.key === "Enter" && !event.shiftKey && !touch) {
      event.preventDefault();
      this.#submit(event.ctrlKey || event.metaKey ? "steer" : "queue");
    }
    if (event.key === "ArrowUp" && this.box.value === "") {
      event.preventDefault();
      this.dispatchEvent(new CustomEvent("recall"));
    }
  }

  #paste(event) {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    this.dispatchEvent(new CustomEvent("files", { detail: files }));
  }

  #changed({ byHand = true } = {}) {
    this.#fit();
    this.check();
    if (byHand) this.commands.typed();
    this.drafts.write(this.conversationId, this.box.value);
    if (!byHand || !this.box.value || Date.now() - this.#saidTyping < TYPING_MS) return;
    this.#saidTyping = Date.now();
    this.dispatchEvent(new CustomEvent("typing"));
  }

  #fit() {
    this.box.style.height = "auto";
    this.box.style.height = `${this.box.scrollHeight}px`;
  }

  /** Show what can be done now. */
  check() {
    const length = this.box.value.trim().length;
    const tooLong = length > this.limit;
    const nothing = this.empty;
    const reading = Boolean(this.files?.busy);
    this.stopButton.hidden = !this.busy;
    this.button.hidden = this.busy && nothing;
    this.steerButton.hidden = !(this.busy && this.steerable && !nothing);
    this.button.disabled = this.waiting || nothing || tooLong || reading;
    this.steerButton.disabled = this.button.disabled;
    const label = this.busy ? "Queue" : "Send";
    this.button.setAttribute("aria-label", label);
    this.button.title = reading
      ? "The files are still being read"
      : this.busy
        ? "Queue: goes when this answer ends (Enter)"
        : "Send (Enter)";
    setIcon(this.button, this.busy ? "queue" : "send");
    this.counter.hidden = length < this.limit * COUNTER_FROM;
    this.counter.textContent = `${length.toLocaleString()} of ${this.limit.toLocaleString()}`;
    this.counter.classList.toggle("is-over", tooLong);
    this.box.setAttribute("aria-invalid", String(tooLong));
  }
}
