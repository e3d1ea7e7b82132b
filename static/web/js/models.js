// Which model answers: a choice when there are several, a plain name when there is one.

import { make } from "./dom.js";

const KEY = "karen.model";
const BUILT_IN = "local/smollm2-135m-instruct";

export class ModelPicker {
  /**
   * @param {{select: HTMLSelectElement, label: HTMLElement, note: HTMLElement}} parts
   */
  constructor({ select, label, note }) {
    this.select = select;
    this.label = label;
    this.note = note;
    this.models = [];
    select.addEventListener("change", () => this.#remember());
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
    this.label.hidden = models.length !== 1;
    this.label.textContent = models[0]?.label ?? "";
    this.#explain();
  }

  /**
   * The id to ask, or null to let the server choose. Before the server has said which models there
   * are, the last choice holds: a message written offline must not go to another provider.
   */
  get chosen() {
    if (this.models.length === 0) return this.#remembered();
    return this.models.length > 1 ? this.select.value : null;
  }

  labelOf(id) {
    return this.models.find((model) => model.id === id)?.label ?? id ?? "";
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
