// How one conversation is configured: a panel beside it, every change saved at once.

import * as api from "./api.js";
import { make } from "./dom.js";

const MODES = [
  ["default", "Normal"],
  ["analysis", "Analysis"],
  ["summarisation", "Summaries"],
  ["code", "Code"],
  ["creative", "Creative"],
];
const PAUSE_MS = 600;

export class SettingsPanel extends EventTarget {
  #timers = new Map();

  /**
   * @param {{panel: HTMLElement, body: HTMLElement, toggle: HTMLButtonElement}} parts
   * @param {{store: import("./store.js").Store, change: (options: object) => Promise<boolean>,
   *   models: () => object[], choices: {personas: object[]|null, tools: object[]|null}}} world
   */
  constructor({ panel, body, toggle }, world) {
    super();
    Object.assign(this, { panel, body, toggle, world });
    this.conversation = null;
    this.draft = {}; // options of the conversation that does not exist yet
    toggle.addEventListener("click", () => this.show(panel.hidden));
    panel.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.show(false);
    });
    panel.querySelector("[data-close]").addEventListener("click", () => this.show(false));
  }

  show(open) {
    this.panel.hidden = !open;
    this.toggle.setAttribute("aria-expanded", String(open));
    document.body.classList.toggle("settings-open", open);
    if (!open) {
      this.body.replaceChildren();
      return this.toggle.focus();
    }
    this.#draw();
    return this.panel.querySelector("select, input, textarea, button")?.focus();
  }

  /** Show another conversation; null for the one that does not exist yet. */
  open(conversation) {
    const other = (conversation?.id ?? null) !== (this.conversation?.id ?? null);
    const moved = conversation?.version !== this.conversation?.version;
    this.conversation = conversation;
    if (this.panel.hidden || !(other || moved)) return;
    if (!other && this.body.contains(document.activeElement)) return; // leave the reader's field alone
    this.#draw();
  }

  #value(name, otherwise) {
    return (this.conversation ? this.conversation[name] : this.draft[name]) ?? otherwise;
  }

  #set(name, value, { soon = false } = {}) {
    clearTimeout(this.#timers.get(name));
    const save = async () => {
      if (!this.conversation) {
        this.draft = { ...this.draft, [name]: value };
        return;
      }
      const done = await this.world.change({ [name]: value });
      this.#said(done ? "Saved" : "Not saved");
    };
    if (soon) this.#timers.set(name, setTimeout(save, PAUSE_MS));
    else save();
  }

  #said(text) {
    const line = this.panel.querySelector("[data-said]");
    line.textContent = text;
    setTimeout(() => line.textContent === text && (line.textContent = ""), 1500);
  }

  #draw() {
    const { choices } = this.world;
    const fields = [
      this.#model(),
      choices.personas ? this.#personas() : "",
      this.#choice("mode", "Mode", MODES, "default", "How Karen goes about its answers here."),
      this.#instruction(),
      this.#temperature(),
      this.#switch("memory_enabled", "Memory", "Use what is known of you, and remember new things.", true),
      this.#switch("show_reasoning", "Show thoughts", "Models that think before they answer show it.", false),
      this.#switch("sensitive", "Sensitive", "Only models that your administrator trusts, or that run here, answer.", false),
      choices.tools ? this.#tools() : "",
    ];
    this.body.replaceChildren(...fields);
  }

  #model() {
    const models = this.world.models().map(({ id, label }) => [id, label ?? id]);
    return this.#choice("model", "Model", [["", "The installation’s choice"], ...models], "", "Answers here come from it unless another one is chosen for a message.");
  }

  #personas() {
    const personas = this.world.choices.personas.map(({ slug, name }) => [slug, name]);
    return this.#choice("persona", "Persona", [["", "None"], ...personas], "", "A character Karen takes on.");
  }

  #choice(name, label, options, otherwise, help) {
    const value = this.#value(name, otherwise);
    const known = options.some(([id]) => id === value) ? options : [...options, [value, value]];
    const select = make("select", { id: `set-${name}` }, ...known.map(([id, text]) => make("option", { value: id, selected: id === value }, text)));
    select.addEventListener("change", () => this.#set(name, select.value));
    return field(select, label, help);
  }

  #instruction() {
    const box = make("textarea", { id: "set-system_instruction", rows: 4, maxLength: 8000, value: this.#value("system_instruction", ""), placeholder: "Answer in short sentences." });
    box.addEventListener("input", () => this.#set("system_instruction", box.value, { soon: true }));
    return field(box, "Instruction", "What Karen always keeps to in this conversation.");
  }

  #temperature() {
    const value = this.#value("temperature", null);
    const range = make("input", { id: "set-temperature", type: "range", min: 0, max: 2, step: 0.1, value: value ?? 0.7 });
    const shown = make("output", { htmlFor: "set-temperature" }, value === null ? "default" : String(value));
    const reset = make("button", { type: "button", className: "button-quiet", hidden: value === null }, "Default");
    range.setAttribute("aria-valuetext", shown.textContent);
    range.addEventListener("input", () => {
      shown.textContent = range.value;
      range.setAttribute("aria-valuetext", range.value);
      reset.hidden = false;
      this.#set("temperature", Number(range.value), { soon: true });
    });
    reset.addEventListener("click", () => {
      reset.hidden = true;
      shown.textContent = "default";
      range.value = "0.7";
      this.#set("temperature", null);
      range.focus();
    });
    const row = make("div", { className: "range-row" }, range, shown, reset);
    return field(row, "Temperature", "Low keeps to the likely; high is more inventive.", "set-temperature");
  }

  #switch(name, label, help, otherwise) {
    const box = make("input", { type: "checkbox", id: `set-${name}`, checked: this.#value(name, otherwise) });
    box.setAttribute("role", "switch");
    box.addEventListener("change", () => this.#set(name, box.checked));
    const words = make("span", {}, make("strong", {}, label), make("small", {}, help));
    return make("label", { className: "switch-row" }, words, box);
  }

  #tools() {
    const all = this.world.choices.tools.map(({ name }) => name);
    const allowed = this.#value("tools", null);
    const boxes = this.world.choices.tools.map((tool) => {
      const box = make("input", { type: "checkbox", value: tool.name, checked: allowed === null || allowed.includes(tool.name) });
      box.addEventListener("change", () => {
        const wanted = boxes.filter((each) => each.checked).map((each) => each.value);
        this.#set("tools", wanted.length === all.length ? null : wanted);
      });
      return box;
    });
    const rows = boxes.map((box, index) => {
      const { name, description } = this.world.choices.tools[index];
      const words = make("span", {}, make("strong", {}, name.replaceAll("_", " ")), make("small", {}, description ?? ""));
      return make("label", { className: "switch-row" }, words, box);
    });
    return make("fieldset", { className: "field" }, make("legend", {}, "Tools"), ...rows);
  }
}

function field(control, label, help, target = control.id) {
  const helpId = `${target}-help`;
  control.setAttribute("aria-describedby", helpId);
  return make(
    "div",
    { className: "field" },
    make("label", { htmlFor: target }, label),
    control,
    make("p", { className: "field-help", id: helpId }, help),
  );
}

/** How full the model's context is and what the conversation has cost, in the panel's foot. */
export class Gauge {
  #asked = 0;

  constructor(element) {
    this.element = element;
    this.available = true;
  }

  async refresh(conversationId) {
    const asked = (this.#asked += 1);
    if (!conversationId || !this.available) {
      this.element.hidden = true;
      return;
    }
    const gauge = await api.optional(api.getGauge(conversationId)).catch(() => undefined);
    if (asked !== this.#asked || gauge === undefined) return;
    this.available = gauge !== null;
    this.element.hidden = !gauge;
    if (gauge) this.#show(gauge);
  }

  #show(gauge) {
    const spent = gauge.prompt_tokens_total + gauge.completion_tokens_total;
    const known = gauge.context_tokens && gauge.used_tokens !== null;
    this.element.hidden = !known && !spent;
    const share = known ? Math.min(1, gauge.used_tokens / gauge.context_tokens) : 0;
    const cost = costText(gauge.cost);
    const about = gauge.estimated ? "about " : "";
    const detail = [
      known ? `The context is ${Math.round(share * 100)} % full: ${about}${number(gauge.used_tokens)} of ${number(gauge.context_tokens)} tokens.` : "",
      `${number(spent)} tokens in all${cost ? `, ${cost}` : ""}.`,
      gauge.unpriced_calls ? `The price of ${number(gauge.unpriced_calls)} calls is not known.` : "",
      nextText(gauge),
    ].join(" ").trim();
    const meter = make("span", { className: "gauge-bar", ariaHidden: "true" }, make("i", {}));
    meter.style.setProperty("--share", String(share));
    this.element.classList.toggle("is-full", share > 0.85);
    this.element.title = detail;
    const words = [known ? `${Math.round(share * 100)} %` : "", cost].filter(Boolean).join(" · ");
    this.element.replaceChildren(
      ...(known ? [meter] : []),
      make("span", { ariaHidden: "true" }, words),
      make("span", { className: "visually-hidden" }, detail),
    );
  }
}

/** What the next message costs: between an empty answer and the longest one. */
function nextText({ next_cost_low: low, next_cost_high: high }) {
  if (!Number(high)) return "";
  return `The next message costs ${costText(low)} to ${costText(high)}.`;
}

const number = (value) => (value ?? 0).toLocaleString();

/** A decimal text as money; empty while prices are not known. */
export function costText(cost) {
  if (cost === null || cost === undefined) return "";
  const value = Number(cost);
  const digits = value > 0 && value < 0.0001 ? 6 : value > 0 && value < 0.01 ? 4 : 2;
  return value.toLocaleString(undefined, { style: "currency", currency: "USD", maximumFractionDigits: digits });
}

