// Who else has this conversation open, and who is writing in it.

import { make } from "./dom.js";

const TYPING_MS = 5000;
const SHOWN = 4;

export class Presence {
  #people = new Map(); // user id → {label, sockets}
  #typing = new Map(); // user id → {label, timer}

  /** @param {{avatars: HTMLElement, line: HTMLElement}} parts */
  constructor({ avatars, line }) {
    this.avatars = avatars;
    this.line = line;
    this.me = null;
    this.conversationId = null;
  }

  open(conversationId) {
    this.conversationId = conversationId;
    this.#people.clear();
    for (const { timer } of this.#typing.values()) clearTimeout(timer);
    this.#typing.clear();
    this.#render();
  }

  present({ conversation_id: id, user, present }) {
    if (id !== this.conversationId || user.id === this.me) return;
    if (present) this.#people.set(user.id, user.label);
    else this.#people.delete(user.id);
    if (!present) this.#stopped(user.id);
    this.#render();
  }

  typing({ conversation_id: id, user }) {
    if (id !== this.conversationId || user.id === this.me) return;
    clearTimeout(this.#typing.get(user.id)?.timer);
    const timer = setTimeout(() => {
      this.#stopped(user.id);
      this.#render();
    }, TYPING_MS);
    this.#typing.set(user.id, { label: user.label, timer });
    this.#people.set(user.id, user.label);
    this.#render();
  }

  /** Their message arrived: they are not writing it any more. */
  wrote(userId) {
    this.#stopped(userId);
    this.#render();
  }

  #stopped(userId) {
    clearTimeout(this.#typing.get(userId)?.timer);
    this.#typing.delete(userId);
  }

  #render() {
    const people = [...this.#people.values()];
    const shown = people.slice(0, SHOWN).map((label) =>
      make("span", { className: "avatar avatar-person", title: `${label} is here`, ariaHidden: "true" }, initial(label)),
    );
    if (people.length > SHOWN) shown.push(make("span", { className: "avatar avatar-person" }, `+${people.length - SHOWN}`));
    if (people.length) shown.push(make("span", { className: "visually-hidden" }, `Also here: ${people.join(", ")}`));
    this.avatars.replaceChildren(...shown);
    const writing = [...this.#typing.values()].map(({ label }) => label);
    this.line.textContent = writing.length ? `${names(writing)} writing…` : "";
  }
}

export const initial = (label) => [...(label || "?")][0].toUpperCase();

function names(people) {
  if (people.length === 1) return `${people[0]} is`;
  if (people.length === 2) return `${people[0]} and ${people[1]} are`;
  return "Several people are";
}
