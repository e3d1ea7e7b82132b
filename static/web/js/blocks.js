// Cutting Markdown into blocks, and a growing text into "settled" and "may still change".

import { Lexer } from "../../vendor/marked/marked.esm.js";

const OPTIONS = { gfm: true, breaks: false };

/** @returns tokens of the top-level blocks, blank lines left out; each has the `raw` text */
export function blocksOf(text) {
  return new Lexer(OPTIONS).lex(text).filter((token) => token.type !== "space");
}

/**
 * Splits a text that only grows. More text can change how the last line is read and merge it with
 * the block before (`#` is a heading until `#tag` makes it prose), never anything earlier: all but
 * the last two blocks are settled and are not looked at again.
 */
export class GrowingBlocks {
  constructor() {
    this.settled = [];
    this.text = "";
    this.offset = 0;
  }

  /** @returns all blocks of `text`, the settled ones being the same objects as before */
  update(text) {
    const normal = text.replace(/\r\n?/g, "\n");
    if (!normal.startsWith(this.text)) {
      this.settled = [];
      this.offset = 0;
    }
    this.text = normal;
    const tail = new Lexer(OPTIONS).lex(normal.slice(this.offset));
    const blocks = tail.filter((token) => token.type !== "space");
    const keep = blocks.at(-2);
    let settledChars = 0;
    const fresh = [];
    for (const token of tail) {
      if (token === keep || blocks.length < 2) break;
      settledChars += token.raw.length;
      if (token.type !== "space") fresh.push(token);
    }
    this.offset += settledChars;
    this.settled.push(...fresh);
    return [...this.settled, ...blocks.slice(fresh.length)];
  }
}
