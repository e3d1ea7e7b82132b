// Markdown of a model, shown safely. A model's words are untrusted input: raw HTML is shown as
// text, images become links (loading one would tell a stranger's server that it was read), links
// go to http, https and mailto only, and the HTML made here still passes through DOMPurify.

import DOMPurify from "../../vendor/dompurify/purify.es.mjs";
import { Marked } from "../../vendor/marked/marked.esm.js";
import { GrowingBlocks, blocksOf } from "./blocks.js";
import { icon } from "./dom.js";
import { highlight } from "./highlight.js";

const SAFE_LINK = /^(?:https?:\/\/|mailto:)/i;

const escapeHtml = (text) =>
  text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

const marked = new Marked({
  gfm: true,
  breaks: false,
  renderer: {
    html: ({ text }) => escapeHtml(text),
    image({ href, text, title }) {
      const label = escapeHtml(text || title || href);
      return SAFE_LINK.test(href) ? `<a href="${escapeHtml(href)}">${label}</a>` : label;
    },
    link({ href, tokens }) {
      const label = this.parser.parseInline(tokens);
      return SAFE_LINK.test(href) ? `<a href="${escapeHtml(href)}">${label}</a>` : label;
    },
    checkbox: ({ checked }) => (checked ? "<b>[x]</b> " : "<b>[ ]</b> "),
  },
});

const PURIFY = {
  ALLOWED_TAGS: [
    "a", "b", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr",
    "li", "ol", "p", "pre", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
  ],
  ALLOWED_ATTR: ["align", "href", "start"],
  ALLOWED_URI_REGEXP: SAFE_LINK,
  ADD_URI_SAFE_ATTR: ["align", "start"],
  RETURN_DOM_FRAGMENT: true,
};

function render(token) {
  if (token.type === "code") return renderCode(token);
  const fragment = DOMPurify.sanitize(marked.parser([token]), PURIFY);
  for (const link of fragment.querySelectorAll("a[href]")) {
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
  }
  for (const table of fragment.querySelectorAll("table")) wrapTable(table);
  for (const pre of fragment.querySelectorAll("pre")) decorateNestedCode(pre);
  return fragment;
}

function wrapTable(table) {
  const frame = document.createElement("div");
  frame.className = "md-table";
  frame.tabIndex = 0;
  frame.role = "region";
  frame.ariaLabel = "Table";
  table.replaceWith(frame);
  frame.append(table);
}

function renderCode({ text, lang }) {
  const language = (lang ?? "").trim().split(/\s+/)[0];
  const code = document.createElement("code");
  code.append(document.createTextNode(text));
  const pre = document.createElement("pre");
  pre.tabIndex = 0;
  pre.append(code);
  return frameCode(pre, language);
}

function decorateNestedCode(pre) {
  const place = document.createComment("");
  pre.replaceWith(place);
  place.replaceWith(frameCode(pre, ""));
}

function frameCode(pre, language) {
  const frame = document.createElement("div");
  frame.className = "md-code";
  frame.dataset.language = language;
  const head = document.createElement("div");
  head.className = "md-code-head";
  const name = document.createElement("span");
  name.textContent = language || "text";
  const copy = document.createElement("button");
  copy.type = "button";
  copy.className = "button-quiet md-copy";
  copy.dataset.action = "copy-code";
  copy.append(icon("copy"), " Copy");
  head.append(name, copy);
  frame.append(head, pre);
  return frame;
}

/** Shows one growing answer inside `element`, touching only the blocks that changed. */
export class MarkdownView {
  #blocks = [];
  #growing = new GrowingBlocks();
  #frame = 0;
  #pending = null;

  constructor(element) {
    this.element = element;
    this.onRender = () => {};
  }

  /** Show `text` at the next animation frame; calls in between cost nothing. */
  show(text) {
    this.#pending = text;
    this.#frame ||= requestAnimationFrame(() => this.#flush());
  }

  /** Show the complete `text` now, read as a whole (link definitions at the end count). */
  finish(text) {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#pending = null;
    this.#place(blocksOf(text.replace(/\r\n?/g, "\n")));
    this.#colour(this.#blocks);
    this.#growing = new GrowingBlocks();
    this.onRender();
  }

  #flush() {
    this.#frame = 0;
    if (this.#pending === null) return;
    this.#place(this.#growing.update(this.#pending));
    this.#colour(this.#blocks.slice(0, -1)); // the last one still grows
    this.#pending = null;
    this.onRender();
  }

  #colour(blocks) {
    for (const block of blocks) {
      if (block.coloured || block.token.type !== "code") continue;
      const frame = block.element.querySelector(".md-code");
      highlight(frame.querySelector("code"), frame.dataset.language);
      block.coloured = true;
    }
  }

  #place(tokens) {
    tokens.forEach((token, index) => {
      const present = this.#blocks[index];
      if (present && (present.token === token || sameBlock(present.token, token))) return;
      if (present && extendCode(present, token)) return;
      const element = document.createElement("div");
      element.className = "md-block";
      element.append(render(token));
      if (present) present.element.replaceWith(element);
      else this.element.append(element);
      this.#blocks[index] = { token, element };
    });
    for (const { element } of this.#blocks.splice(tokens.length)) element.remove();
  }
}

// A link definition elsewhere in the text can change a block whose own text did not.
const sameBlock = (a, b) => a.type === b.type && a.raw === b.raw && !/\]/.test(a.raw);

/** A code block that grew gets its new characters appended instead of being drawn again. */
function extendCode(present, token) {
  const old = present.token;
  if (old.type !== "code" || token.type !== "code" || old.lang !== token.lang) return false;
  if (!token.text.startsWith(old.text)) return false;
  const node = present.element.querySelector("code")?.firstChild;
  if (!(node instanceof Text) || node.length !== old.text.length) return false;
  node.appendData(token.text.slice(old.text.length));
  present.token = token;
  return true;
}
