// Search in the words of messages, below the titles that match; a hit leads to its message.

import * as api from "./api.js";
import { make } from "./dom.js";

const PAUSE_MS = 250;
const LEAST = 2; // characters

export class SearchPanel {
  #timer = 0;
  #asked = 0; // counts questions, so that a late answer is not shown
  #next = null;

  /**
   * @param {{input: HTMLInputElement, panel: HTMLElement, list: HTMLElement,
   *   open: (conversationId: string, messageId: string|null, words: string) => void}} parts
   */
  constructor({ input, panel, list, open }) {
    this.input = input;
    this.panel = panel;
    this.list = list;
    this.open = open;
    this.available = true;
    input.addEventListener("input", () => this.#typed());
    input.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && input.value) {
        event.stopPropagation();
        input.value = "";
        input.dispatchEvent(new Event("input"));
      }
      if (event.key === "ArrowDown") {
        event.preventDefault();
        document.querySelector("#conversations a, #results a")?.focus();
      }
    });
    list.addEventListener("click", (event) => this.#clicked(event));
    list.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const links = [...list.querySelectorAll("a")];
      (links[links.indexOf(document.activeElement) + step] ?? input).focus();
    });
  }

  #typed() {
    clearTimeout(this.#timer);
    const words = this.input.value.trim();
    this.#asked += 1;
    if (!this.available || words.length < LEAST) {
      this.panel.hidden = true;
      return;
    }
    this.#timer = setTimeout(() => this.#ask(words), PAUSE_MS);
  }

  async #ask(words, next = null) {
    const asked = (this.#asked += 1);
    this.panel.hidden = false;
    this.panel.setAttribute("aria-busy", "true");
    try {
      const page = await api.optional(api.search({ q: words }, next));
      if (asked !== this.#asked) return;
      if (page === null) {
        this.available = false;
        this.panel.hidden = true;
        return;
      }
      this.#show(page, words, next !== null);
    } catch (error) {
      if (asked === this.#asked) this.#say(error.message);
    } finally {
      if (asked === this.#asked) this.panel.removeAttribute("aria-busy");
    }
  }

  #show(page, words, more) {
    this.#next = page.next;
    const hits = page.results.map((hit) => item(hit, words));
    this.list.querySelector("[data-more]")?.parentElement.remove();
    if (more) this.list.append(...hits);
    else if (hits.length) this.list.replaceChildren(...hits);
    else this.#say("Nothing in the messages.");
    for (const { typed, taken_for: other } of page.corrections ?? []) {
      this.list.prepend(make("li", { className: "nothing" }, `Also looked for “${other}” instead of “${typed}”.`));
    }
    if (page.degraded) this.list.prepend(make("li", { className: "nothing" }, "A part of search does not answer now; there may be more."));
    if (page.next) this.list.append(make("li", {}, make("button", { type: "button", className: "button-quiet", dataset: { more: words } }, "More")));
  }

  #say(text) {
    this.list.replaceChildren(make("li", { className: "nothing" }, text));
  }

  #clicked(event) {
    const more = event.target.closest("[data-more]");
    if (more) {
      this.#ask(more.dataset.more, this.#next);
      return;
    }
    const link = event.target.closest("a");
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    this.open(link.dataset.conversationId, link.dataset.messageId || null, link.dataset.words);
  }
}

function item(hit, words) {
  const snippet = make("span", { className: "snippet" });
  const fragments = hit.fragments?.length ? hit.fragments : [{ text: hit.snippet ?? "", marked: false }];
  for (const { text, marked } of fragments) snippet.append(marked ? make("mark", {}, text) : text);
  const when = new Date(hit.created_at).toLocaleDateString(undefined, { day: "numeric", month: "short" });
  const address = hit.message_id ? `/chat/${hit.conversation_id}/#m-${hit.message_id}` : `/chat/${hit.conversation_id}/`;
  const link = make(
    "a",
    { href: address, dataset: { conversationId: hit.conversation_id, messageId: hit.message_id ?? "", words } },
    make("span", { className: "hit-title" }, make("strong", {}, hit.title || "New conversation"), make("small", {}, when)),
    snippet,
  );
  return make("li", {}, link);
}
