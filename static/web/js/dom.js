// The few DOM shortcuts the page's modules share.

const SVG = "http://www.w3.org/2000/svg";

/** @returns an icon of the sprite, hidden from screen readers: its button carries the label */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `${document.documentElement.dataset.icons}#${name}`);
  svg.append(use);
  return svg;
}

/** Replace the icon inside a button. */
export function setIcon(button, name) {
  button.querySelector(".icon")?.replaceWith(icon(name));
}

/**
 * @param {string} tag
 * @param {Record<string, unknown>} properties  DOM properties; `dataset` is merged
 * @param {...(Node|string)} children
 */
export function make(tag, properties = {}, ...children) {
  const { dataset, ...rest } = properties;
  const element = Object.assign(document.createElement(tag), rest);
  Object.assign(element.dataset, dataset ?? {});
  element.append(...children);
  return element;
}

/** A copy of the first element of `<template id=…>`. */
export function fromTemplate(id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true);
}

/** Read what the server embedded with `json_script`. */
export function embedded(id) {
  const element = document.getElementById(id);
  return element ? JSON.parse(element.textContent) : null;
}

/** @returns whether the text reached the clipboard */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false; // not a secure context, or refused
  }
}

/** A quiet button with an icon; without visible words it carries its label for everybody else. */
export function actionButton(action, name, label, { words = false, pressed } = {}) {
  const button = make("button", {
    type: "button",
    className: words ? "button-quiet" : "button-tool",
    title: words ? "" : label,
    dataset: { action },
  }, icon(name));
  if (words) button.append(` ${label}`);
  else button.setAttribute("aria-label", label);
  if (pressed !== undefined) button.setAttribute("aria-pressed", String(pressed));
  return button;
}

/** @returns bytes as people say them */
export function sizeText(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  const units = ["KB", "MB", "GB"];
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}
