// One message of a person as DOM: its words and files, and the editor that makes another branch.

import { fromTemplate, icon, make } from "./dom.js";
import { fileList, fromParts } from "./parts.js";

export class QuestionView {
  #editor = null;
  #files = "";

  constructor() {
    this.root = fromTemplate("user-message-template");
    const part = (name) => this.root.querySelector(`[data-${name}]`);
    this.parts = Object.fromEntries(
      ["text", "note", "files", "author", "pager", "pager-text", "pinned", "actions"].map((name) => [name, part(name)]),
    );
    this.buttons = Object.fromEntries(
      [...this.root.querySelectorAll("[data-action]")].map((each) => [each.dataset.action, each]),
    );
  }

  get editing() {
    return this.#editor !== null;
  }

  /** Show a stored message. */
  update(message, world, { number, count } = { number: 1, count: 1 }) {
    this.message = message;
    this.root.dataset.message = message.id;
    this.root.title = new Date(message.created_at).toLocaleString();
    this.#show(message.text, fromParts(message.parts).attachments);
    this.parts.actions.hidden = false;
    this.parts.pager.hidden = count < 2;
    this.parts["pager-text"].textContent = `${number}/${count}`;
    this.buttons.previous.disabled = number <= 1;
    this.buttons.next.disabled = number >= count;
    this.buttons.edit.hidden = message.kind === "command";
    this.parts.pinned.hidden = !message.pinned;
    const author = world.authorOf(message);
    this.parts.author.hidden = !author;
    this.parts.author.textContent = author ?? "";
    this.root.classList.toggle("is-command", message.kind === "command");
  }

  /** Show a message that is on its way. */
  updatePending(entry, { offline, accepted, onRetry, onWithdraw }) {
    this.root.dataset.ref = entry.ref;
    this.#show(entry.text, entry.files ?? []);
    const refused = entry.refused !== undefined;
    this.root.classList.toggle("is-pending", !refused && !accepted);
    this.root.classList.toggle("is-refused", refused);
    if (refused) {
      const retry = make("button", { type: "button", className: "button-quiet" }, icon("retry"), " Try again");
      const back = make("button", { type: "button", className: "button-quiet" }, icon("pencil"), " Take back");
      retry.addEventListener("click", onRetry);
      back.addEventListener("click", onWithdraw);
      this.parts.note.replaceChildren(`Not sent. ${entry.refused} `, retry, back);
    } else {
      this.parts.note.textContent = offline ? "Will be sent when the connection is back." : "";
    }
  }

  /** The server has it. */
  arrived() {
    this.root.classList.remove("is-pending", "is-refused");
    this.parts.note.replaceChildren();
  }

  #show(text, files) {
    const { parts } = this;
    if (parts.text.textContent !== text) parts.text.textContent = text;
    parts.text.hidden = text === "" || this.editing;
    const key = files.map(({ attachment_id: id }) => id).join();
    if (key === this.#files) return;
    this.#files = key;
    parts.files.replaceChildren(...(files.length ? [fileList(files)] : []));
  }

  /** Replace the bubble by an editor. `onSave` gets the new words. */
  edit(onSave) {
    if (this.editing) return;
    const box = make("textarea", { value: this.message.text, ariaLabel: "Edit your message", rows: 1 });
    const save = make("button", { type: "submit", className: "button button-primary" }, "Send");
    const cancel = make("button", { type: "button", className: "button" }, "Cancel");
    const hint = make("span", { className: "editor-hint" }, "The first version stays on its own branch.");
    const form = make("form", { className: "editor" }, box, make("div", { className: "editor-row" }, hint, cancel, save));
    const fit = () => {
      box.style.height = "auto";
      box.style.height = `${box.scrollHeight}px`;
      save.disabled = box.value.trim() === "";
    };
    const end = () => {
      form.remove();
      this.#editor = null;
      this.root.classList.remove("is-edited");
      this.parts.text.hidden = this.message.text === "";
      this.buttons.edit.focus();
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = box.value.trim();
      if (!text) return;
      end();
      onSave(text);
    });
    box.addEventListener("input", fit);
    box.addEventListener("keydown", (event) => {
      if (event.isComposing) return;
      if (event.key === "Escape") {
        event.stopPropagation();
        end();
      }
      if (event.key === "Enter" && !event.shiftKey && !matchMedia("(pointer: coarse)").matches) {
        event.preventDefault();
        form.requestSubmit();
      }
    });
    cancel.addEventListener("click", end);
    this.#editor = form;
    this.root.classList.add("is-edited");
    this.parts.text.hidden = true;
    this.parts.text.after(form);
    fit();
    box.focus();
    box.setSelectionRange(box.value.length, box.value.length);
  }
}
