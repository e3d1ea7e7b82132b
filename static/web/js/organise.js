// What is done with conversations from the list: rename, pin, move, tag, archive, delete, export,
// import, one at a time or several.

import * as api from "./api.js";
import { confirmDialog, openMenu, promptDialog } from "./menu.js";

const IMPORT_PAUSE_MS = 1000;

export class Organiser {
  /**
   * @param {{store: import("./store.js").Store, sidebar: import("./sidebar.js").Sidebar,
   *   say: (text: string) => void, failed: (error: Error) => void, gone: (id: string) => void,
   *   open: (id: string) => void, share: (id: string) => void, picker: HTMLInputElement}} parts
   */
  constructor(parts) {
    Object.assign(this, parts);
    const { sidebar } = this;
    const on = (type, handler) => sidebar.addEventListener(type, ({ detail }) => handler(detail));
    on("menu", ({ id, anchor }) => openMenu(anchor, "Conversation", this.itemsFor(id, anchor)));
    on("folder-menu", ({ folder, anchor }) => this.#folderMenu(folder, anchor));
    on("renamed", ({ id, title }) => this.change(id, { title }));
    on("move", ({ ids, folderId }) => this.#move(ids, folderId));
    sidebar.bar.addEventListener("click", (event) => this.#bulkClicked(event));
    this.picker.addEventListener("change", () => this.#import());
  }

  get #folders() {
    return this.store.folders;
  }

  /** The entries of a conversation's menu; what the server cannot do is not offered. */
  itemsFor(id, anchor) {
    const item = this.store.conversations.get(id) ?? {};
    const folders = this.#folders !== null;
    const items = [
      { label: "Rename", icon: "pencil", run: () => this.#rename(id) },
      { label: item.pinned ? "Unpin" : "Pin", icon: "pin", run: () => this.change(id, { pinned: !item.pinned }) },
    ];
    if (folders) items.push({ label: "Move to folder…", icon: "folder", run: () => this.#folderChoice([id], anchor) });
    items.push({ label: "Tags…", icon: "tag", run: () => this.#tags(id) });
    if (folders) {
      items.push(
        { label: "Share…", icon: "share", run: () => this.share(id) },
        { label: "Export as Markdown", icon: "download", href: api.exportAddress(id, "markdown") },
        { label: "Export as JSON", icon: "download", href: api.exportAddress(id, "json") },
      );
    }
    return [
      ...items,
      { label: item.archived ? "Take out of the archive" : "Archive", icon: "archive", run: () => this.change(id, { archived: !item.archived }) },
      "line",
      { label: "Delete", icon: "trash", danger: true, run: () => this.remove([id]) },
    ];
  }

  /** In the list where that is to be seen, in a dialog elsewhere. */
  async #rename(id) {
    if (this.sidebar.rename(id)) return;
    const title = await promptDialog({ title: "Rename", label: "Name", value: this.sidebar.titleOf(id) });
    if (title) await this.change(id, { title });
  }

  /** Change options of a conversation; shown at once, taken back when the server refuses. */
  async change(id, options) {
    const before = this.store.conversations.get(id);
    if (before) this.store.putConversation({ ...before, ...options });
    try {
      this.store.putConversation(await api.changeConversation(id, options));
      return true;
    } catch (error) {
      if (before) this.store.putConversation({ ...before, version: this.store.conversations.get(id)?.version });
      this.failed(error);
      return false;
    }
  }

  async #tags(id) {
    const item = this.store.conversations.get(id) ?? {};
    const text = await promptDialog({
      title: "Tags",
      label: "Words to find this by, separated by commas",
      value: (item.tags ?? []).join(", "),
      required: false,
      max: 500,
    });
    if (text === null) return;
    await this.change(id, { tags: [...new Set(text.split(",").map((tag) => tag.trim()).filter(Boolean))] });
  }

  // -- folders -------------------------------------------------------------------------------------

  #folderChoice(ids, anchor) {
    const now = ids.length === 1 ? this.store.conversations.get(ids[0])?.folder_id : undefined;
    openMenu(anchor, "Move to folder", [
      ...this.#folders.map((folder) => ({
        label: folder.name,
        icon: "folder",
        checked: folder.id === now,
        run: () => this.#move(ids, folder.id),
      })),
      ...(this.#folders.length ? ["line"] : []),
      { label: "New folder…", icon: "plus", run: () => this.#moveToNew(ids) },
      ...(now === null ? [] : [{ label: "No folder", icon: "close", run: () => this.#move(ids, null) }]),
    ]);
  }

  async #move(ids, folderId) {
    if (ids.length === 1) await this.change(ids[0], { folder_id: folderId });
    else await this.#bulk(ids, { action: "move", folder_id: folderId });
  }

  async #moveToNew(ids) {
    const folder = await this.createFolder();
    if (folder) await this.#move(ids, folder.id);
  }

  /** @returns the new folder, or null */
  async createFolder() {
    const name = await promptDialog({ title: "New folder", label: "Name", yes: "Create", max: 100 });
    if (!name) return null;
    return this.#try(async () => {
      const folder = await api.createFolder(name);
      await this.loadFolders();
      return folder;
    });
  }

  async loadFolders() {
    const folders = await api.optional(api.listFolders());
    if (folders) this.store.putFolders(folders);
  }

  #folderMenu(folder, anchor) {
    openMenu(anchor, "Folder", [
      {
        label: "Rename",
        icon: "pencil",
        run: async () => {
          const name = await promptDialog({ title: "Rename the folder", label: "Name", value: folder.name, max: 100 });
          if (name) await this.#try(() => api.renameFolder(folder.id, name).then(() => this.loadFolders()));
        },
      },
      {
        label: "Delete",
        icon: "trash",
        danger: true,
        run: async () => {
          const text = `“${folder.name}” goes; its conversations stay and are listed by day again.`;
          const yes = await confirmDialog({ title: "Delete this folder?", text, yes: "Delete the folder", no: "Keep it" });
          if (!yes) return;
          await this.#try(async () => {
            await api.deleteFolder(folder.id);
            await this.loadFolders();
            await this.sidebar.load();
          });
        },
      },
    ]);
  }

  // -- several at a time -----------------------------------------------------------------------------

  #bulkClicked(event) {
    const button = event.target.closest("button");
    if (!button) return;
    const ids = [...(this.sidebar.selection ?? [])];
    const actions = {
      done: () => this.sidebar.choose(false),
      archive: () => this.#bulk(ids, { action: this.sidebar.archived ? "unarchive" : "archive" }),
      move: () => this.#folderChoice(ids, button),
      tag: () => this.#bulkTag(ids),
      delete: () => this.remove(ids),
    };
    actions[button.dataset.bulk ?? "done"]?.();
  }

  async #bulkTag(ids) {
    const tag = await promptDialog({ title: "Add a tag", label: "Tag", yes: "Add", max: 40 });
    if (tag) await this.#bulk(ids, { action: "tag", tag });
  }

  async #bulk(ids, change) {
    await this.#try(async () => {
      const answer = await api.bulk({ ids, ...change });
      const refused = (answer?.results ?? []).filter(({ done }) => done === false);
      if (refused.length) this.say(`${refused.length} of ${ids.length} could not be changed.`);
      await this.sidebar.load();
    });
    this.sidebar.choose(false);
  }

  /** Ask, and delete on yes. */
  async remove(ids) {
    const one = ids.length === 1;
    const text = one
      ? `“${this.sidebar.titleOf(ids[0])}” and all its messages will be gone for good.`
      : `${ids.length} conversations and all their messages will be gone for good.`;
    const title = one ? "Delete this conversation?" : "Delete these conversations?";
    if (!(await confirmDialog({ title, text, yes: "Delete", no: one ? "Keep it" : "Keep them" }))) return;
    for (const id of ids) {
      const done = await this.#try(() => api.deleteConversation(id).catch(ignoreGone).then(() => true));
      if (!done) return;
      this.store.remove(id);
      this.gone(id);
    }
    if (this.sidebar.selection) this.sidebar.choose(false);
  }

  // -- import ----------------------------------------------------------------------------------------

  async #import() {
    const [file] = this.picker.files;
    this.picker.value = "";
    if (!file) return;
    await this.#try(async () => {
      let state = await api.importConversations(file);
      while (state.state === "running") {
        this.say(`Importing: ${state.done} of ${state.total} conversations…`);
        await new Promise((resolve) => setTimeout(resolve, IMPORT_PAUSE_MS));
        state = await api.getImport(state.id);
      }
      this.say(importText(state));
      await this.sidebar.load();
    });
  }

  async #try(work) {
    try {
      return await work();
    } catch (error) {
      this.failed(error);
      return null;
    }
  }
}

function importText({ imported, duplicates, failed, items }) {
  const parts = [`${imported} imported`];
  if (duplicates) parts.push(`${duplicates} were here already`);
  if (failed) parts.push(`${failed} could not be read: ${items.find(({ problem }) => problem)?.problem ?? ""}`);
  return `${parts.join(", ")}.`;
}

function ignoreGone(error) {
  if (error.status !== 404) throw error;
}
