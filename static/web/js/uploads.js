// Files on their way into a message: picked, dropped or pasted; uploaded at once, shown as chips.
//
// Emits `change` when the chips or what may be sent are different.

import * as api from "./api.js";
import { icon, make, sizeText } from "./dom.js";

const MOST = 10; // files of one message
const KEY = "karen.uploads"; // ids that this tab uploaded and has not sent
const PENDING = { uploaded: "Waiting…", scanning: "Checking…", extracting: "Reading…" };

export class Uploads extends EventTarget {
  #files = []; // {key, name, size, share, attachment, problem, abort, element}

  /** @param {{list: HTMLElement, input: HTMLInputElement, store: import("./store.js").Store}} parts */
  constructor({ list, input, store }) {
    super();
    this.list = list;
    this.input = input;
    this.store = store;
    this.enabled = false;
    input.addEventListener("change", () => {
      this.add(input.files);
      input.value = "";
    });
    store.addEventListener("change", ({ detail }) => {
      if (detail.kind === "attachment") this.#moved(detail.id);
    });
  }

  /** Ids of what goes with the message; files that failed stay behind. */
  get ids() {
    return this.#files.filter((file) => file.attachment && !file.problem).map((file) => file.attachment.id);
  }

  /** The same files as parts of a message that is on its way. */
  get parts() {
    return this.#files
      .filter((file) => file.attachment && !file.problem)
      .map(({ attachment: { id, name, media_type: type, size } }) => ({ attachment_id: id, name, media_type: type, size }));
  }

  get busy() {
    return this.#files.some((file) => !file.problem && !isReady(file));
  }

  get empty() {
    return this.ids.length === 0;
  }

  /** Take up files that were uploaded before a reload and never sent. */
  restore(attachments) {
    this.enabled = true;
    const mine = new Set(this.#remembered());
    for (const attachment of attachments) {
      if (!mine.has(attachment.id) || this.#files.some((file) => file.attachment?.id === attachment.id)) continue;
      this.#files.push({ key: attachment.id, name: attachment.name, size: attachment.size, share: 1, attachment });
    }
    this.#render();
  }

  add(files) {
    if (!this.enabled) return;
    for (const file of files) {
      const entry = { key: crypto.randomUUID(), name: file.name || "Pasted file", size: file.size, share: 0, source: file };
      if (this.#files.length >= MOST) entry.problem = `At most ${MOST} files go with one message.`;
      this.#files.push(entry);
      if (!entry.problem) this.#upload(entry);
    }
    this.#render();
  }

  /** Forget what was sent. */
  clear() {
    this.#files = this.#files.filter((file) => !file.attachment && !file.problem);
    this.#render();
  }

  async #upload(entry) {
    delete entry.problem;
    entry.share = 0;
    const { promise, abort } = api.upload(entry.source, entry.key, (share) => {
      entry.share = share;
      this.#draw(entry);
    });
    entry.abort = abort;
    try {
      const attachment = await promise;
      entry.attachment = attachment;
      this.store.putAttachment(attachment);
      this.#moved(attachment.id);
    } catch (error) {
      entry.problem = error.message;
      entry.retry = error.status === 0 || error.status >= 500 || error.status === 429;
    }
    this.#render();
  }

  #moved(id) {
    const entry = this.#files.find((file) => file.attachment?.id === id);
    if (!entry) return;
    entry.attachment = this.store.attachments.get(id) ?? entry.attachment;
    if (entry.attachment.state === "refused") {
      entry.problem = entry.attachment.problem?.message ?? "This file was refused.";
      entry.retry = false;
    }
    this.#render();
  }

  async #remove(entry) {
    entry.abort?.();
    this.#files = this.#files.filter((file) => file !== entry);
    this.#render();
    this.input.closest("form").querySelector("textarea").focus();
    if (entry.attachment) await api.deleteAttachment(entry.attachment.id).catch(() => null); // swept later
  }

  #render() {
    this.list.replaceChildren(...this.#files.map((entry) => this.#chip(entry)));
    this.list.hidden = this.#files.length === 0;
    this.#remember();
    this.dispatchEvent(new Event("change"));
  }

  #remember() {
    try {
      const ids = this.#files.flatMap((file) => file.attachment?.id ?? []);
      sessionStorage.setItem(KEY, JSON.stringify(ids));
    } catch {
      // They are lost with a reload.
    }
  }

  #remembered() {
    try {
      return JSON.parse(sessionStorage.getItem(KEY)) ?? [];
    } catch {
      return [];
    }
  }

  #chip(entry) {
    const state = make("small", { dataset: { state: "" } });
    const chip = make(
      "li",
      { className: "chip" },
      picture(entry),
      make("span", { className: "file-words" }, make("strong", { title: entry.name }, entry.name), state),
    );
    if (entry.problem && entry.retry) {
      const again = make("button", { type: "button", className: "button-tool", ariaLabel: `Upload ${entry.name} again` }, icon("retry"));
      again.addEventListener("click", () => {
        this.#upload(entry);
        this.#render();
      });
      chip.append(again);
    }
    const remove = make("button", { type: "button", className: "button-tool", ariaLabel: `Remove ${entry.name}` }, icon("close"));
    remove.addEventListener("click", () => this.#remove(entry));
    chip.append(remove);
    entry.element = chip;
    this.#draw(entry);
    return chip;
  }

  #draw(entry) {
    const { element } = entry;
    if (!element) return;
    element.classList.toggle("is-refused", Boolean(entry.problem));
    element.style.setProperty("--share", String(entry.share));
    element.classList.toggle("is-loading", !entry.problem && !isReady(entry));
    element.querySelector("[data-state]").textContent = stateText(entry);
  }
}

const isReady = (entry) => Boolean(entry.attachment) && !(entry.attachment.state in PENDING);

function stateText(entry) {
  if (entry.problem) return entry.problem;
  if (!entry.attachment) return entry.share < 1 ? `${Math.round(entry.share * 100)} %` : "Storing…";
  const note = entry.attachment.notes?.[0]?.message;
  return PENDING[entry.attachment.state] ?? note ?? sizeText(entry.size);
}

function picture(entry) {
  if (!entry.attachment?.has_thumbnail) return icon("file");
  return make("img", { src: api.thumbnailAddress(entry.attachment.id), alt: "", width: 36, height: 36 });
}
