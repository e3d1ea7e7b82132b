// Which model answers: a choice when there are several, a plain name when there is one; and which
// others answer beside it.

import { icon, make } from "./dom.js";
import { openMenu } from "./menu.js";

const KEY = "karen.model";
const BUILT_IN = "local/smollm2-135m-instruct";
const MOST = 4; // models that answer side by side

export class ModelPicker {
  #beside = []; // ids of further models

  /**
   * @param {{select: HTMLSelectElement, label: HTMLElement, note: HTMLElement,
   *   compare: HTMLButtonElement, chips: HTMLElement}} parts
   */
  constructor({ select, label, note, compare, chips }) {
    Object.assign(this, { select, label, note, compare, chips });
    this.models = [];
    select.addEventListener("change", () => {
      this.#remember();
      this.#beside = this.#beside.filter((id) => id !== select.value);
      this.#showBeside();
    });
    compare.addEventListener("click", () => this.#openMenu());
  }

  /** @param {{id: string, label: string, provider?: string}[]} models  best first */
  show(models) {
    this.models = models;
    const before = this.select.value || this.#remembered();
    this.select.replaceChildren(
      ...models.map((model) => make("option", { value: model.id }, model.label ?? model.id)),
    );
    if (models.some((model) => model.id === before)) this.select.value = before;
    this.select.hidden = models.length < 2;
    this.compare.hidden = models.length < 2;
    this.label.hidden = models.length !== 1;
    this.label.textContent = models[0]?.label ?? "";
    this.#beside = this.#beside.filter((id) => models.some((model) => model.id === id));
    this.#showBeside();
    this.#explain();
  }

  /** Offer the model that a conversation is configured to use. */
  prefer(id) {
    if (id && this.models.some((model) => model.id === id)) this.select.value = id;
    this.#showBeside();
  }

  /**
   * The id to ask, or null to let the server choose. Before the server has said which models there
   * are, the last choice holds: a message written offline must not go to another provider.
   */
  get chosen() {
    if (this.models.length === 0) return this.#remembered();
    return this.models.length > 1 ? this.select.value : null;
  }

  /** Ids of all models to ask when there are several; empty for the usual one. */
  get several() {
    return this.#beside.length ? [this.select.value, ...this.#beside] : [];
  }

  labelOf(id) {
    return this.models.find((model) => model.id === id)?.label ?? id ?? "";
  }

  #openMenu() {
    const items = this.models
      .filter(({ id }) => id !== this.select.value)
      .map((model) => ({
        label: model.label ?? model.id,
        checked: this.#beside.includes(model.id),
        disabled: !this.#beside.includes(model.id) && this.#beside.length >= MOST - 1,
        run: () => this.#toggle(model.id),
      }));
    openMenu(this.compare, "Models side by side", [{ heading: "Ask beside the chosen model" }, ...items]);
  }

  #toggle(id) {
    this.#beside = this.#beside.includes(id)
      ? this.#beside.filter((each) => each !== id)
      : [...this.#beside, id];
    this.#showBeside();
  }

  #showBeside() {
    this.chips.hidden = this.#beside.length === 0;
    this.chips.replaceChildren(
      ...this.#beside.map((id) => {
        const chip = make("button", { type: "button", className: "model-chip", title: "Do not ask this model" }, `+ ${this.labelOf(id)}`, icon("close"));
        chip.setAttribute("aria-label", `Do not ask ${this.labelOf(id)}`);
        chip.addEventListener("click", () => {
          this.#toggle(id);
          this.compare.focus();
        });
        return chip;
      }),
    );
  }

  /** Be honest about a small model, and about none. The scripted echo is no model. */
  #explain() {
    const real = this.models.filter((model) => !model.id.startsWith("echo/"));
    const small = real.length > 0 && real.every((model) => model.id === BUILT_IN);
    for (const each of this.note.querySelectorAll("[data-when]")) {
      each.hidden = each.dataset.when !== (real.length === 0 ? "none" : "small");
    }
    this.note.hidden = !(small || real.length === 0);
  }

  #remember() {
    try {
      localStorage.setItem(KEY, this.select.value);
    } catch {
      // The choice lasts as long as the page.
    }
  }

  #remembered() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null;
    }
  }
}
