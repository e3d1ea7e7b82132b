// Cutting Markdown into blocks, colouring code, naming days.

import assert from "node:assert/strict";
import { test } from "node:test";

import { GrowingBlocks, blocksOf } from "../../static/web/js/blocks.js";
import { dayLabel, groupByDay } from "../../static/web/js/days.js";
import { sizeText } from "../../static/web/js/dom.js";
import { pieces } from "../../static/web/js/highlight.js";
import { matching } from "../../static/web/js/slash.js";

const SAMPLE = `# Title
Some *prose* that goes
on for two lines
#tag is prose, not a heading

1. one

   with a second paragraph
2. two
   - nested

> quoted
lazily

\`\`\`python
def f():

    return "---"
\`\`\`
| a | b |
|---|---|
| 1 | 2 |

Setext
---
<b>raw</b>
\r\n- [ ] task\r\n- [x] done\r\n
***
last`;

const raws = (tokens) => tokens.map(({ type, raw }) => [type, raw.trimEnd()]);

test("a growing text is cut into the same blocks as the whole, at every length", () => {
  for (const step of [1, 2, 3, 7, 31]) {
    const growing = new GrowingBlocks();
    for (let end = 0; end < SAMPLE.length + step; end += step) {
      const text = SAMPLE.slice(0, end);
      const expected = raws(blocksOf(text.replace(/\r\n?/g, "\n")));
      assert.deepEqual(raws(growing.update(text)), expected, `step ${step}, length ${end}`);
    }
  }
});

test("settled blocks stay the same objects", () => {
  const growing = new GrowingBlocks();
  const [first] = growing.update("one\n\ntwo\n\nthree");
  assert.equal(growing.update("one\n\ntwo\n\nthree\n\nfour")[0], first);
});

test("a text that does not continue the one before starts over", () => {
  const growing = new GrowingBlocks();
  growing.update("one\n\ntwo\n\nthree");
  assert.deepEqual(raws(growing.update("other")), [["paragraph", "other"]]);
});

test("coloured pieces joined are the source", () => {
  const sources = {
    python: 'def f(x):  # why "not"\n    return f"{x}" + \'it\\\'s\' + 0x1F\n',
    js: "const a = `x ${1} y`; // c\n/* d\n */ call(1_000.5e-3)",
    sql: "SELECT 1 -- one\nFROM t WHERE a = 'b'",
    html: '<!-- c --><p class="x">hi</p>',
    "": "\"unclosed\n'also",
  };
  for (const [language, source] of Object.entries(sources)) {
    assert.equal(pieces(source, language).map(({ text }) => text).join(""), source);
  }
  const kinds = pieces(sources.python, "python").filter(({ kind }) => kind).map(({ kind }) => kind);
  assert.ok(["keyword", "call", "comment", "string", "number"].every((kind) => kinds.includes(kind)));
});

test("days have the names people use", () => {
  const now = new Date(2026, 10, 21, 9, 0);
  const at = (...parts) => dayLabel(new Date(...parts), now);
  assert.equal(at(2026, 10, 21, 0, 1), "Today");
  assert.equal(at(2026, 10, 20, 23, 59), "Yesterday");
  assert.equal(at(2026, 10, 20, 0, 1), "Yesterday");
  assert.equal(at(2026, 10, 19, 23, 0), "Last 7 days");
  assert.equal(at(2026, 10, 1, 12, 0), "Last 30 days");
  assert.match(at(2026, 5, 1), /2026/);
});

test("groups are newest first", () => {
  const now = new Date(2026, 10, 21, 9, 0);
  const item = (id, ...parts) => ({ id, updated_at: new Date(...parts).toISOString() });
  const groups = groupByDay([item("b", 2026, 10, 20, 8), item("a", 2026, 10, 21, 8), item("c", 2026, 10, 20, 9)], now);
  assert.deepEqual(groups.map(([label, items]) => [label, items.map(({ id }) => id)]), [
    ["Today", ["a"]],
    ["Yesterday", ["c", "b"]],
  ]);
});

test("commands are found by how they begin, then by what they hold", () => {
  const commands = ["memory", "mode", "model", "summarize"].map((name) => ({ name }));
  const found = (text) => matching(commands, text)?.map(({ name }) => name);
  assert.deepEqual(found("/mo"), ["mode", "model", "memory"]);
  assert.deepEqual(found("/m"), ["memory", "mode", "model", "summarize"]);
  assert.deepEqual(found("/"), ["memory", "mode", "model", "summarize"]);
  for (const text of ["mo", "/model x", "say /mo", "/etc/passwd"]) assert.equal(found(text), undefined);
});

test("sizes are said as people say them", () => {
  assert.deepEqual([12, 2048, 25 * 1024 * 1024].map(sizeText), ["12 B", "2.0 KB", "25 MB"]);
});
