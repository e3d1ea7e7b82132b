// The messages that wait until the present answer has ended, above the message box.

import { icon, make } from "./dom.js";

export class QueueTray {
  /**
   * @param {HTMLElement} element
   * @param {{onNow: () => void, onCancel: (item: object) => void}} actions
   */
  constructor(element, { onNow, onCancel }) {
    this.element = element;
    this.onNow = onNow;
    this.onCancel = onCancel;
  }

  /** @param {{key: string, text: string, cancel: boolean}[]} items  in the order they will go */
  show(items) {
    const key = items.map((item) => `${item.key}${item.cancel}`).join();
    if (key === this.shown) return;
    this.shown = key;
    this.element.hidden = items.length === 0;
    this.element.replaceChildren(
      ...items.map((item, index) => this.#row(item, index)),
    );
  }

  #row(item, index) {
    const words = make("span", { className: "queued-text", title: item.text }, item.text || "Files");
    const row = make("li", { className: "queued" }, icon("queue"), words);
    if (index === 0 && item.cancel) {
      const now = make("button", { type: "button", className: "button-quiet" }, "Send now");
      now.title = "Stop the present answer and go on with this";
      now.addEventListener("click", () => this.onNow());
      row.append(now);
    }
    const cancel = make("button", { type: "button", className: "button-tool", ariaLabel: `Do not send: ${item.text}`, title: "Do not send" }, icon("close"));
    cancel.disabled = !item.cancel;
    cancel.addEventListener("click", () => this.onCancel(item));
    row.append(cancel);
    return row;
  }
}
