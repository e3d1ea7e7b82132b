// One popover menu for the whole page, filled anew each time it opens, and small dialogs.

import { icon, make } from "./dom.js";

/**
 * @typedef {{label: string, icon?: string, hint?: string, danger?: boolean, checked?: boolean,
 *   href?: string, disabled?: boolean, run?: () => void}|"line"|{heading: string}} Item
 */

let open = null; // {menu, anchor}

function close({ refocus = true } = {}) {
  if (!open) return;
  const { menu, anchor } = open;
  open = null;
  anchor.setAttribute("aria-expanded", "false");
  if (menu.matches(":popover-open")) menu.hidePopover();
  menu.remove();
  if (refocus && anchor.isConnected) anchor.focus({ preventScroll: true });
}

function place(menu, anchor) {
  const at = anchor.getBoundingClientRect();
  const { offsetHeight, offsetWidth } = menu;
  const below = at.bottom + 4 + offsetHeight <= innerHeight - 8;
  const top = below ? at.bottom + 4 : Math.max(8, at.top - 4 - offsetHeight);
  const left = at.left + offsetWidth <= innerWidth - 8 ? at.left : at.right - offsetWidth;
  menu.style.top = `${top}px`;
  menu.style.left = `${Math.max(8, Math.min(left, innerWidth - offsetWidth - 8))}px`;
}

function entry(item) {
  if (item === "line") return make("hr", { role: "separator" });
  if (item.heading) return make("p", { className: "menu-heading", role: "presentation" }, item.heading);
  const words = make("span", { className: "menu-words" }, item.label);
  if (item.hint) words.append(make("small", {}, item.hint));
  const children = [item.icon ? icon(item.icon) : "", words];
  if (item.checked !== undefined) {
    children.push(item.checked ? icon("check") : make("span", { className: "menu-unchecked" }));
  }
  const element = item.href
    ? make("a", { href: item.href, download: "" }, ...children)
    : make("button", { type: "button", disabled: Boolean(item.disabled) }, ...children);
  element.setAttribute("role", item.checked === undefined ? "menuitem" : "menuitemradio");
  if (item.checked !== undefined) element.setAttribute("aria-checked", String(item.checked));
  if (item.danger) element.classList.add("is-danger");
  element.addEventListener("click", () => {
    close();
    item.run?.();
  });
  return element;
}

function keys(event, menu) {
  const all = [...menu.querySelectorAll("[role^=menuitem]:not(:disabled)")];
  const at = all.indexOf(document.activeElement);
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) {
    event.preventDefault();
    all[(at + step + all.length) % all.length]?.focus();
  } else if (event.key === "Home" || event.key === "End") {
    event.preventDefault();
    all.at(event.key === "Home" ? 0 : -1)?.focus();
  } else if (event.key === "Tab") {
    close();
  } else if (event.key === "Escape") {
    event.preventDefault();
    event.stopPropagation();
    close();
  } else if (event.key.length === 1 && /\S/.test(event.key)) {
    const letter = event.key.toLowerCase();
    const next = [...all.slice(at + 1), ...all].find((each) =>
      each.textContent.trim().toLowerCase().startsWith(letter),
    );
    next?.focus();
  }
}

/** Open a menu at a button; the same button again closes it. */
export function openMenu(anchor, label, items) {
  const again = open?.anchor === anchor;
  close();
  if (again) return;
  const menu = make("div", { className: "menu", popover: "auto", ariaLabel: label }, ...items.map(entry));
  menu.setAttribute("role", "menu");
  document.body.append(menu);
  open = { menu, anchor };
  anchor.setAttribute("aria-haspopup", "menu");
  anchor.setAttribute("aria-expanded", "true");
  menu.addEventListener("keydown", (event) => keys(event, menu));
  menu.addEventListener("toggle", (event) => {
    if (event.newState === "closed" && open?.menu === menu) close({ refocus: false });
  });
  menu.showPopover();
  place(menu, anchor);
  menu.querySelector("[role^=menuitem]:not(:disabled)")?.focus();
}

/** @returns {Promise<boolean>} whether the reader said yes */
export function confirmDialog({ title, text, yes, no = "Cancel", danger = true }) {
  const confirm = make("button", { className: `button ${danger ? "button-danger" : "button-primary"}`, value: "yes" }, yes);
  const cancel = make("button", { className: "button", value: "", autofocus: true }, no);
  return ask(title, [make("p", {}, text)], [cancel, confirm]).then((value) => value === "yes");
}

/** @returns {Promise<string|null>} the words, or null when the reader thought better of it */
export async function promptDialog({ title, label, value = "", yes = "Save", long = false, required = true, max = 200 }) {
  const field = make(long ? "textarea" : "input", { value, maxLength: max, required, className: "dialog-field" });
  if (long) field.rows = 4;
  const cancel = make("button", { className: "button", value: "", formNoValidate: true }, "Cancel");
  const save = make("button", { className: "button button-primary", value: "yes" }, yes);
  const body = make("label", { className: "field" }, make("span", {}, label), field);
  const answer = await ask(title, [body], [cancel, save], (form) => {
    field.focus();
    field.select();
    form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (!long || event.ctrlKey || event.metaKey) && !event.isComposing) {
        event.preventDefault();
        form.requestSubmit(save);
      }
    });
  });
  const text = field.value.trim();
  return answer === "yes" && (text || !required) ? text : null;
}

let titles = 0;

function ask(title, body, buttons, opened = () => {}) {
  const dialog = make("dialog", {});
  const heading = make("h2", { id: `dialog-title-${(titles += 1)}` }, title);
  const form = make("form", { method: "dialog" }, heading, ...body, make("div", { className: "dialog-actions" }, ...buttons));
  dialog.setAttribute("aria-labelledby", heading.id);
  dialog.append(form);
  document.body.append(dialog);
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue);
    });
    dialog.showModal();
    opened(form);
  });
}

/** A dialog whose content its owner fills and changes; `element` is where. */
export function panelDialog(title, { wide = false, onClose = () => {} } = {}) {
  const heading = make("h2", { id: `dialog-title-${(titles += 1)}` }, title);
  const dismiss = make("button", { type: "button", className: "button-icon", ariaLabel: "Close" }, icon("close"));
  const element = make("div", { className: "dialog-body" });
  const dialog = make("dialog", { className: wide ? "dialog-wide" : "" }, make("header", { className: "dialog-head" }, heading, dismiss), element);
  dialog.setAttribute("aria-labelledby", heading.id);
  dismiss.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => {
    dialog.remove();
    onClose();
  });
  document.body.append(dialog);
  dialog.showModal();
  return { dialog, element, close: () => dialog.close() };
}
