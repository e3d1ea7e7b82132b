// The list of conversations: pinned ones, folders, the rest by day; filtered, renamed in place,
// chosen several at a time. What is done with them is in `organise.js`.
//
// Emits `open` (id), `menu` ({id, anchor}), `folder-menu` ({folder, anchor}), `renamed` ({id,
// title}), `move` ({ids, folderId}), `failed`.

import * as api from "./api.js";
import { groupByDay } from "./days.js";
import { actionButton, icon, make } from "./dom.js";

const UNTITLED = "New conversation";
const CLOSED_KEY = "karen.folders.closed";
const DRAG_TYPE = "application/x-karen-conversation";

export class Sidebar extends EventTarget {
  #next = null;
  #frame = 0;
  #loading = false;

  /**
   * @param {{list: HTMLElement, search: HTMLInputElement, more: HTMLButtonElement,
   *   bar: HTMLElement, tags: HTMLElement, title: HTMLElement}} parts
   * @param {import("./store.js").Store} store
   */
  constructor(parts, store) {
    super();
    Object.assign(this, parts);
    this.store = store;
    this.activeId = null;
    this.archived = false; // which of the two lists is shown
    this.tag = null;
    this.selection = null; // a Set while several are being chosen
    this.search.addEventListener("input", () => this.render());
    this.list.addEventListener("click", (event) => this.#clicked(event));
    this.list.addEventListener("keydown", (event) => this.#key(event));
    this.list.addEventListener("toggle", (event) => this.#toggled(event), true);
    this.tags.addEventListener("click", (event) => this.#tagged(event));
    this.more.addEventListener("click", () => this.loadMore());
    new IntersectionObserver((seen) => seen.some((each) => each.isIntersecting) && this.loadMore(), {
      root: this.list.closest("nav"),
      rootMargin: "200px",
    }).observe(this.more);
    this.#listenToDrags();
    store.addEventListener("change", ({ detail }) => {
      if (["conversation", "conversations", "gone", "folders"].includes(detail.kind)) this.render();
    });
  }

  // -- loading -----------------------------------------------------------------------------------

  /** Fetch the first page anew. */
  async load() {
    const page = await api.listConversations(null, this.#filters());
    this.#next = page.next;
    this.store.putConversations(page.results);
  }

  async loadMore() {
    if (this.#loading || !this.#next) return;
    this.#loading = true;
    try {
      const page = await api.listConversations(this.#next, this.#filters());
      this.#next = page.next;
      this.store.putConversations(page.results);
    } catch (error) {
      this.#emit("failed", error);
    } finally {
      this.#loading = false;
    }
  }

  #filters() {
    return { archived: String(this.archived) };
  }

  showArchived(archived) {
    this.archived = archived;
    this.tag = null;
    this.#next = null;
    this.title.textContent = archived ? "Archived" : "Conversations";
    this.render();
    return this.load().catch((error) => this.#emit("failed", error));
  }

  // -- what is shown -----------------------------------------------------------------------------

  activate(id) {
    this.activeId = id;
    this.render();
  }

  titleOf(id) {
    return this.store.conversations.get(id)?.title || UNTITLED;
  }

  get wanted() {
    return this.search.value.trim().toLocaleLowerCase();
  }

  /** Draw at the next frame; calls in between cost nothing. */
  render() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw() {
    if (this.list.querySelector("input.rename")) return; // do not tear a rename away
    const focused = document.activeElement?.closest?.("#conversations [data-focus]")?.dataset.focus;
    const all = [...this.store.conversations.values()].filter(
      (item) => !item.temporary && Boolean(item.archived) === this.archived,
    );
    this.#drawTags(all);
    const { wanted } = this;
    const shown = all.filter(
      (item) =>
        (item.title || UNTITLED).toLocaleLowerCase().includes(wanted) &&
        (!this.tag || item.tags?.includes(this.tag)),
    );
    const sections = wanted || this.tag ? this.#byDay(shown) : this.#sections(shown);
    this.list.replaceChildren(...sections);
    if (!shown.length && !(this.store.folders?.length && !wanted)) this.list.append(this.#nothing(wanted));
    this.more.hidden = !this.#next;
    this.bar.hidden = this.selection === null;
    const count = this.selection?.size ?? 0;
    this.bar.querySelector("[data-count]").textContent = count ? `${count} selected` : "Choose conversations";
    for (const button of this.bar.querySelectorAll("[data-bulk]")) button.disabled = count === 0;
    if (focused) this.list.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
  }

  #sections(shown) {
    const pinned = shown.filter((item) => item.pinned);
    const folders = this.archived ? [] : (this.store.folders ?? []);
    const known = new Set(folders.map(({ id }) => id));
    const loose = shown.filter((item) => !item.pinned && !known.has(item.folder_id));
    return [
      ...(pinned.length ? [this.#group("Pinned", byUse(pinned), "pinned")] : []),
      ...folders.map((folder) => this.#folder(folder, byUse(shown.filter((item) => item.folder_id === folder.id && !item.pinned)))),
      ...this.#byDay(loose),
    ];
  }

  #byDay(items) {
    return groupByDay(items).map(([label, several], index) => this.#group(label, several, `day-${index}`));
  }

  #group(label, items, id) {
    const heading = make("h3", { id: `list-${id}`, className: "day" }, label);
    const list = make("ul", { className: "conversation-list" }, ...items.map((item) => this.#item(item)));
    list.setAttribute("aria-labelledby", heading.id);
    return make("section", { dataset: { folder: "" } }, heading, list);
  }

  #folder(folder, items) {
    const more = actionButton("folder-menu", "more", `Options for the folder ${folder.name}`);
    more.dataset.focus = `folder-menu-${folder.id}`;
    const summary = make(
      "summary",
      { dataset: { focus: `folder-${folder.id}` } },
      icon("folder"),
      make("span", { className: "folder-name", title: folder.name }, folder.name),
      make("small", {}, items.length ? String(items.length) : ""),
    );
    const list = make("ul", { className: "conversation-list", ariaLabel: folder.name }, ...items.map((item) => this.#item(item)));
    if (!items.length) list.append(make("li", { className: "nothing" }, "Empty: drag a conversation here."));
    const element = make("details", { className: "folder", open: !closedFolders().has(folder.id), dataset: { folder: folder.id } }, summary, list);
    return make("section", { className: "folder-row", dataset: { folder: folder.id } }, element, more);
  }

  #item(item) {
    const title = item.title || UNTITLED;
    const link = make("a", { href: `/chat/${item.id}/`, title, draggable: true, dataset: { focus: item.id } }, make("span", {}, title));
    if (item.id === this.activeId) link.setAttribute("aria-current", "page");
    if (item.participants?.length) link.append(mark("people", "Several people take part"));
    if (item.active_turn_id) link.append(make("span", { className: "working", title: "Karen is writing" }));
    const row = make("li", { dataset: { conversation: item.id } });
    if (this.selection) {
      const box = make("input", { type: "checkbox", checked: this.selection.has(item.id), ariaLabel: `Select ${title}`, dataset: { focus: `box-${item.id}` } });
      row.append(box, link);
      row.classList.add("is-selecting");
      return row;
    }
    const button = make(
      "button",
      { type: "button", className: "button-icon", ariaLabel: `Options for ${title}`, dataset: { menu: "", focus: `menu-${item.id}` } },
      icon("more"),
    );
    button.setAttribute("aria-haspopup", "menu");
    row.append(link, button);
    return row;
  }

  #nothing(wanted) {
    let text = this.archived ? "Nothing is archived." : "Your conversations will be listed here.";
    if (wanted) text = "No title with these words.";
    return make("p", { className: "nothing" }, text);
  }

  #drawTags(all) {
    const counts = new Map();
    for (const item of all) for (const tag of item.tags ?? []) counts.set(tag, (counts.get(tag) ?? 0) + 1);
    if (this.tag && !counts.has(this.tag)) this.tag = null;
    this.tags.hidden = counts.size === 0;
    this.tags.replaceChildren(
      ...[...counts.keys()].sort((a, b) => a.localeCompare(b)).map((tag) => {
        const chip = make("button", { type: "button", className: "tag-chip", dataset: { tag } }, tag);
        chip.setAttribute("aria-pressed", String(tag === this.tag));
        return chip;
      }),
    );
  }

  // -- what the reader does ----------------------------------------------------------------------

  #row(id) {
    return this.list.querySelector(`[data-conversation="${CSS.escape(id)}"]`);
  }

  #tagged(event) {
    const chip = event.target.closest("[data-tag]");
    if (!chip) return;
    this.tag = this.tag === chip.dataset.tag ? null : chip.dataset.tag;
    this.#draw();
    this.tags.querySelector(`[data-tag="${CSS.escape(chip.dataset.tag)}"]`)?.focus();
  }

  #clicked(event) {
    const folderMenu = event.target.closest("[data-action=folder-menu]");
    if (folderMenu) {
      const folder = this.store.folders.find(({ id }) => id === folderMenu.closest("[data-folder]").dataset.folder);
      this.#emit("folder-menu", { folder, anchor: folderMenu });
      return;
    }
    const row = event.target.closest("[data-conversation]");
    if (!row) return;
    const id = row.dataset.conversation;
    if (this.selection) {
      if (event.target.closest("a")) event.preventDefault();
      this.#select(id);
      return;
    }
    const menu = event.target.closest("[data-menu]");
    if (menu) {
      this.#emit("menu", { id, anchor: menu });
      return;
    }
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey;
    if (!event.target.closest("a") || !plain) return;
    event.preventDefault();
    this.#emit("open", id);
  }

  #key(event) {
    if (event.key === "F2" || (event.key === "ContextMenu" && !this.selection)) {
      const row = event.target.closest("[data-conversation]");
      if (!row) return;
      event.preventDefault();
      if (event.key === "F2") this.rename(row.dataset.conversation);
      else row.querySelector("[data-menu]").click();
      return;
    }
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const links = [...this.list.querySelectorAll("li > a, summary")].filter((each) => each.checkVisibility());
    const index = links.indexOf(document.activeElement);
    if (index < 0) return;
    event.preventDefault();
    links[index + (event.key === "ArrowDown" ? 1 : -1)]?.focus();
  }

  #toggled(event) {
    const { folder } = event.target.dataset;
    if (!folder) return;
    const closed = closedFolders();
    if (event.target.open) closed.delete(folder);
    else closed.add(folder);
    try {
      localStorage.setItem(CLOSED_KEY, JSON.stringify([...closed]));
    } catch {
      // It is open again next time.
    }
  }

  /** Start or end choosing several. */
  choose(several) {
    this.selection = several ? new Set() : null;
    this.#draw();
  }

  #select(id) {
    if (!this.selection.delete(id)) this.selection.add(id);
    this.#draw();
  }

  /** Edit a title where it stands. @returns whether it is to be seen */
  rename(id) {
    const row = this.#row(id);
    if (!row?.checkVisibility({ visibilityProperty: true })) return false;
    const before = this.titleOf(id);
    const input = make("input", { className: "rename", value: before, maxLength: 200, ariaLabel: "New name" });
    row.replaceChildren(input);
    input.select();
    let done = false;
    const finish = (keep) => {
      if (done) return;
      done = true;
      const title = input.value.trim();
      input.remove();
      this.#draw();
      this.#row(id)?.querySelector("a").focus();
      if (keep && title && title !== before) this.#emit("renamed", { id, title });
    };
    input.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter" && !event.isComposing) finish(true);
      if (event.key === "Escape") finish(false);
    });
    input.addEventListener("blur", () => finish(true));
    return true;
  }

  #listenToDrags() {
    const folderAt = (event) => event.target.closest?.("[data-folder]");
    const unmark = () => this.list.querySelector(".is-target")?.classList.remove("is-target");
    this.list.addEventListener("dragstart", (event) => {
      const id = event.target.closest("[data-conversation]")?.dataset.conversation;
      if (id && this.store.folders) event.dataTransfer.setData(DRAG_TYPE, id);
    });
    this.list.addEventListener("dragover", (event) => {
      const folder = folderAt(event);
      if (!folder || !event.dataTransfer.types.includes(DRAG_TYPE)) return;
      event.preventDefault();
      unmark();
      folder.classList.add("is-target");
    });
    this.list.addEventListener("dragleave", unmark);
    this.list.addEventListener("drop", (event) => {
      unmark();
      const id = event.dataTransfer.getData(DRAG_TYPE);
      const folder = folderAt(event);
      if (!id || !folder) return;
      event.preventDefault();
      this.#emit("move", { ids: [id], folderId: folder.dataset.folder || null });
    });
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

const byUse = (items) => [...items].sort((a, b) => (a.updated_at < b.updated_at ? 1 : -1));

const mark = (name, title) => {
  const element = make("span", { className: "row-mark", title }, icon(name));
  element.append(make("span", { className: "visually-hidden" }, title));
  return element;
};

function closedFolders() {
  try {
    return new Set(JSON.parse(localStorage.getItem(CLOSED_KEY)) ?? []);
  } catch {
    return new Set();
  }
}
