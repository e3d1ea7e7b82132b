// The list of conversations: grouped by day, filtered as one types, renamed in place.

import * as api from "./api.js";
import { groupByDay } from "./days.js";
import { make, icon } from "./dom.js";

const UNTITLED = "New conversation";

export class Sidebar extends EventTarget {
  /**
   * @param {{list: HTMLElement, search: HTMLInputElement, menu: HTMLElement,
   *   confirm: HTMLDialogElement, more: HTMLButtonElement}} parts
   */
  constructor(parts) {
    super();
    Object.assign(this, parts);
    this.items = new Map();
    this.activeId = null;
    this.next = null;
    this.menuFor = null;
    this.search.addEventListener("input", () => this.render());
    this.list.addEventListener("click", (event) => this.#clicked(event));
    this.list.addEventListener("keydown", (event) => this.#arrow(event));
    this.more.addEventListener("click", () => this.load());
    this.menu.addEventListener("click", (event) => this.#choose(event));
    this.menu.addEventListener("keydown", (event) => this.#menuKey(event));
    this.confirm.addEventListener("close", () => this.#confirmed());
  }

  /** Fetch the first or the next page. */
  async load() {
    const page = await api.listConversations(this.next);
    for (const item of page.results) this.items.set(item.id, item);
    this.next = page.next;
    this.render();
  }

  put(conversation) {
    this.items.set(conversation.id, { ...this.items.get(conversation.id), ...conversation });
    this.render();
  }

  activate(id) {
    this.activeId = id;
    this.render();
  }

  titleOf(id) {
    return this.items.get(id)?.title || UNTITLED;
  }

  render() {
    if (this.list.querySelector("input")) return; // do not tear a rename away
    const focused = document.activeElement?.closest?.("[data-conversation]")?.dataset.conversation;
    const wanted = this.search.value.trim().toLocaleLowerCase();
    const shown = [...this.items.values()].filter((item) =>
      (item.title || UNTITLED).toLocaleLowerCase().includes(wanted),
    );
    this.list.replaceChildren(
      ...groupByDay(shown).map(([label, items], index) => this.#group(label, items, index)),
    );
    if (!shown.length) this.list.append(this.#nothing(wanted));
    this.more.hidden = !this.next;
    if (focused) this.#row(focused)?.querySelector("a").focus();
  }

  #group(label, items, index) {
    const heading = make("h2", { id: `day-${index}`, className: "day" }, label);
    const list = make("ul", { className: "conversation-list" }, ...items.map((item) => this.#item(item)));
    list.setAttribute("aria-labelledby", heading.id);
    return make("section", {}, heading, list);
  }

  #item(item) {
    const title = item.title || UNTITLED;
    const link = make("a", { href: `/chat/${item.id}/`, title }, make("span", {}, title));
    if (item.id === this.activeId) link.setAttribute("aria-current", "page");
    if (item.active_turn_id) link.append(make("span", { className: "working", title: "Karen is writing" }));
    const button = make(
      "button",
      { type: "button", className: "button-icon", ariaLabel: `Options for ${title}`, dataset: { menu: "" } },
      icon("more"),
    );
    button.setAttribute("aria-haspopup", "menu");
    return make("li", { dataset: { conversation: item.id } }, link, button);
  }

  #nothing(wanted) {
    const text = wanted ? "Nothing with these words." : "Your conversations will be listed here.";
    return make("p", { className: "nothing" }, text);
  }

  #row(id) {
    return this.list.querySelector(`[data-conversation="${CSS.escape(id)}"]`);
  }

  #clicked(event) {
    const row = event.target.closest("[data-conversation]");
    if (!row) return;
    if (event.target.closest("[data-menu]")) {
      this.#openMenu(row);
      return;
    }
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey;
    if (!event.target.closest("a") || !plain) return;
    event.preventDefault();
    this.dispatchEvent(new CustomEvent("open", { detail: row.dataset.conversation }));
  }

  #arrow(event) {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const links = [...this.list.querySelectorAll("li > a")];
    const index = links.indexOf(document.activeElement);
    if (index < 0) return;
    event.preventDefault();
    links[index + (event.key === "ArrowDown" ? 1 : -1)]?.focus();
  }

  #openMenu(row) {
    const button = row.querySelector("[data-menu]");
    const place = button.getBoundingClientRect();
    this.menuFor = row.dataset.conversation;
    this.menu.showPopover();
    const { offsetHeight, offsetWidth } = this.menu;
    this.menu.style.top = `${Math.min(place.bottom + 4, innerHeight - offsetHeight - 8)}px`;
    this.menu.style.left = `${Math.max(8, place.right - offsetWidth)}px`;
    this.menu.querySelector("button").focus();
  }

  #menuKey(event) {
    const buttons = [...this.menu.querySelectorAll("button")];
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const index = buttons.indexOf(document.activeElement) + step;
    buttons[(index + buttons.length) % buttons.length].focus();
  }

  #choose(event) {
    const action = event.target.closest("button")?.dataset.action;
    if (!action) return;
    this.menu.hidePopover();
    if (action === "rename") this.#rename(this.menuFor);
    if (action === "delete") this.askDelete(this.menuFor);
  }

  #rename(id) {
    const row = this.#row(id);
    const before = this.titleOf(id);
    const input = make("input", { className: "rename", value: before, maxLength: 200, ariaLabel: "New name" });
    row.replaceChildren(input);
    input.select();
    let done = false;
    const finish = async (keep) => {
      if (done) return;
      done = true;
      const title = input.value.trim();
      input.remove();
      this.render();
      this.#row(id)?.querySelector("a").focus();
      if (keep && title && title !== before) await this.#saveTitle(id, title, before);
    };
    input.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter") finish(true);
      if (event.key === "Escape") finish(false);
    });
    input.addEventListener("blur", () => finish(true));
  }

  async #saveTitle(id, title, before) {
    this.put({ id, title });
    try {
      this.put(await api.renameConversation(id, title));
    } catch (error) {
      this.put({ id, title: before });
      this.dispatchEvent(new CustomEvent("failed", { detail: error }));
    }
    this.dispatchEvent(new CustomEvent("renamed", { detail: id }));
  }

  /** Ask, and delete on yes. */
  askDelete(id) {
    this.deleting = id;
    this.confirm.querySelector("[data-title]").textContent = this.titleOf(id);
    this.confirm.returnValue = "";
    this.confirm.showModal();
  }

  async #confirmed() {
    const id = this.deleting;
    if (this.confirm.returnValue !== "delete" || !id) return;
    try {
      await api.deleteConversation(id);
    } catch (error) {
      if (error.status !== 404) {
        this.dispatchEvent(new CustomEvent("failed", { detail: error }));
        return;
      }
    }
    this.items.delete(id);
    this.render();
    this.dispatchEvent(new CustomEvent("deleted", { detail: id }));
  }
}
