// The menu of commands that opens when a message begins with a slash.

import { make } from "./dom.js";

/** @returns the commands that fit what was typed, best first; null when it is no command */
export function matching(commands, text) {
  const found = /^\/([\w-]*)$/.exec(text);
  if (!found) return null;
  const wanted = found[1].toLowerCase();
  const starts = commands.filter(({ name }) => name.startsWith(wanted));
  const holds = commands.filter(({ name }) => !name.startsWith(wanted) && name.includes(wanted));
  return [...starts, ...holds];
}

export class SlashMenu {
  #commands;
  #shown = [];
  #at = 0;

  /**
   * @param {{box: HTMLTextAreaElement, list: HTMLElement, choose: (text: string) => void}} parts
   */
  constructor({ box, list, choose }) {
    this.box = box;
    this.list = list;
    this.choose = choose;
    this.#commands = [];
    box.addEventListener("blur", () => this.#close());
    list.addEventListener("pointerdown", (event) => {
      event.preventDefault(); // the box keeps the focus
      const option = event.target.closest("[role=option]");
      if (option) this.#take(Number(option.dataset.at));
    });
  }

  get open() {
    return !this.list.hidden;
  }

  /** Know these commands from now on, also for what was typed before they came. */
  know(commands) {
    this.#commands = commands;
    if (document.activeElement === this.box) this.typed();
  }

  typed() {
    const found = matching(this.#commands, this.box.value);
    this.#shown = found ?? [];
    this.#at = 0;
    if (!this.#shown.length) this.#close();
    else this.#render();
  }

  /** @returns whether the key was ours */
  key(event) {
    if (!this.open) return false;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) this.#at = (this.#at + step + this.#shown.length) % this.#shown.length;
    else if (event.key === "Escape") this.#close();
    else if (event.key === "Enter" && this.box.value === `/${this.#shown[this.#at].name}`) {
      this.#close(); // written out: there is nothing to complete, it is sent
      return false;
    } else if (event.key === "Tab" || event.key === "Enter") this.#take(this.#at);
    else return false;
    event.preventDefault();
    event.stopPropagation();
    if (step) this.#render();
    return true;
  }

  #take(index) {
    const command = this.#shown[index];
    this.#close();
    if (command) this.choose(`/${command.name} `);
  }

  #render() {
    this.list.replaceChildren(
      ...this.#shown.map((command, index) => {
        const row = make(
          "li",
          { id: `command-${index}`, dataset: { at: String(index) } },
          make("code", {}, `/${command.name}`),
          make("span", {}, command.help ?? ""),
        );
        row.setAttribute("role", "option");
        row.setAttribute("aria-selected", String(index === this.#at));
        if (command.allowed === false) row.append(make("small", {}, "not allowed for you"));
        return row;
      }),
    );
    this.list.hidden = false;
    this.box.setAttribute("aria-expanded", "true");
    this.box.setAttribute("aria-activedescendant", `command-${this.#at}`);
    this.list.children[this.#at].scrollIntoView({ block: "nearest" });
  }

  #close() {
    this.list.hidden = true;
    this.box.removeAttribute("aria-activedescendant");
    this.box.setAttribute("aria-expanded", "false");
  }
}
