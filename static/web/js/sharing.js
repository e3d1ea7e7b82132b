// Giving a conversation to others: read-only links, and people who take part.

import * as api from "./api.js";
import { copyText, icon, make } from "./dom.js";
import { confirmDialog, panelDialog } from "./menu.js";
import { initial } from "./presence.js";

/**
 * @param {string} conversationId
 * @param {{failed: (error: Error) => void, mine: boolean, me: string|null}} world
 */
export function openSharing(conversationId, world) {
  const { element } = panelDialog("Share", { wide: true });
  const links = make("section", { className: "share-part", ariaLabel: "Links" });
  const people = make("section", { className: "share-part", ariaLabel: "People" });
  element.append(people, links);
  new Links(conversationId, links, world).load();
  new People(conversationId, people, world).load();
}

class Links {
  constructor(conversationId, element, world) {
    Object.assign(this, { conversationId, element, world, fresh: new Map() });
    this.list = make("ul", { className: "share-list" });
    this.said = make("p", { className: "field-help", role: "status" });
  }

  async load() {
    const shares = await api.optional(api.listShares(this.conversationId)).catch(() => null);
    if (shares === null) {
      this.element.replaceChildren(make("h3", {}, "Links"), make("p", {}, "This conversation cannot be shared by link here."));
      return;
    }
    const audience = make(
      "select",
      { ariaLabel: "Who may open the link" },
      make("option", { value: "workspace" }, "People of this workspace"),
      make("option", { value: "link" }, "Everybody who has the link"),
    );
    const create = make("button", { type: "button", className: "button button-primary" }, "Create a link");
    create.addEventListener("click", () => this.#create(audience.value));
    this.element.replaceChildren(
      make("h3", {}, "Links"),
      make("p", {}, "A link shows the conversation as it is now, read-only. What is written later stays out."),
      make("div", { className: "share-row" }, audience, create),
      this.said,
      this.list,
    );
    this.#show(shares);
  }

  #show(shares) {
    this.list.replaceChildren(...shares.map((share) => this.#row(share)));
  }

  async #create(audience) {
    try {
      const made = await api.share(this.conversationId, { audience });
      if (made.url) this.fresh.set(made.id, new URL(made.url, location.origin).href);
      this.#show(await api.listShares(this.conversationId));
      if (made.url) await this.#copy(this.fresh.get(made.id));
    } catch (error) {
      this.said.textContent = error.message;
    }
  }

  async #copy(url) {
    const done = await copyText(url);
    this.said.textContent = done ? "The link is in the clipboard. It is shown only now." : "Copy the link below: it is shown only now.";
  }

  #row(share) {
    const when = new Date(share.created_at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
    const who = share.audience === "link" ? "Everybody with the link" : "This workspace";
    const row = make("li", {}, icon(share.audience === "link" ? "link" : "lock"), make("span", { className: "share-words" }, make("strong", {}, who), make("small", {}, share.revoked ? `${when} · revoked` : when)));
    const url = this.fresh.get(share.id) ?? share.url;
    if (url && !share.revoked) {
      const field = make("input", { readOnly: true, value: new URL(url, location.origin).href, ariaLabel: "Link" });
      field.addEventListener("focus", () => field.select());
      const copy = make("button", { type: "button", className: "button-quiet" }, icon("copy"), " Copy");
      copy.addEventListener("click", () => this.#copy(field.value));
      row.append(field, copy);
    }
    if (!share.revoked) {
      const revoke = make("button", { type: "button", className: "button-quiet is-danger" }, "Revoke");
      revoke.addEventListener("click", async () => {
        try {
          await api.revokeShare(share.id);
          this.said.textContent = "The link does not work any more.";
          this.#show(await api.listShares(this.conversationId));
        } catch (error) {
          this.said.textContent = error.message;
        }
      });
      row.append(revoke);
    }
    return row;
  }
}

class People {
  constructor(conversationId, element, world) {
    Object.assign(this, { conversationId, element, world });
  }

  async load() {
    const [people, members] = await Promise.all([
      api.optional(api.listParticipants(this.conversationId)).catch(() => null),
      api.optional(api.listMembers()).catch(() => null),
    ]);
    if (people === null) {
      this.element.hidden = true;
      return;
    }
    const present = new Set(people.map(({ id }) => id));
    const others = (members ?? []).filter(({ id }) => !present.has(id));
    const rows = people.map((person) => this.#row(person));
    this.element.replaceChildren(
      make("h3", {}, "People"),
      make("p", {}, "They read and write here, and see everything that was said before."),
      make("ul", { className: "share-list" }, ...rows),
    );
    if (this.world.mine && others.length) this.element.append(this.#invitation(others));
  }

  #row(person) {
    const role = person.role === "owner" ? "started it" : "takes part";
    const row = make("li", {}, make("span", { className: "avatar avatar-person", ariaHidden: "true" }, initial(person.label)), make("span", { className: "share-words" }, make("strong", {}, person.label), make("small", {}, role)));
    const leaves = person.id === this.world.me;
    if (person.role !== "owner" && (this.world.mine || leaves)) {
      const remove = make("button", { type: "button", className: "button-quiet is-danger" }, leaves ? "Leave" : "Remove");
      remove.addEventListener("click", () => this.#remove(person, leaves));
      row.append(remove);
    }
    return row;
  }

  #invitation(others) {
    const choice = make("select", { ariaLabel: "Whom to add" }, ...others.map(({ id, label }) => make("option", { value: id }, label)));
    const add = make("button", { type: "button", className: "button" }, "Add");
    add.addEventListener("click", async () => {
      try {
        await api.addParticipant(this.conversationId, choice.value);
        await this.load();
      } catch (error) {
        this.world.failed(error);
      }
    });
    return make("div", { className: "share-row" }, choice, add);
  }

  async #remove(person, leaves) {
    const title = leaves ? "Leave this conversation?" : `Remove ${person.label}?`;
    const text = leaves ? "You will not see it any more." : "They will not see this conversation any more.";
    if (!(await confirmDialog({ title, text, yes: leaves ? "Leave" : "Remove" }))) return;
    try {
      await api.removeParticipant(this.conversationId, person.id);
      await this.load();
    } catch (error) {
      this.world.failed(error);
    }
  }
}
