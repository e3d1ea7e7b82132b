// A small colouring of code: comments, strings, numbers and common keywords. It knows no grammar;
// what it cannot tell apart stays plain. Runs once, when an answer is complete.

const KEYWORDS = new Set(
  ("abstract and as assert async await begin break case catch class const continue def default " +
    "del do done elif else end enum except export extends false False fi final finally fn for " +
    "from func function global go if impl implements import in interface is lambda let loop " +
    "match mod module mut namespace new nil None nonlocal not null or package pass private " +
    "protected pub public raise return select self static struct super switch then this throw " +
    "trait true True try type typeof undefined use val var void while with yield " +
    "SELECT FROM WHERE JOIN LEFT INNER ON GROUP BY ORDER LIMIT INSERT INTO VALUES UPDATE SET " +
    "DELETE CREATE TABLE AND OR NOT NULL AS").split(" "),
);

const HASH_COMMENTS = new Set(
  "bash dockerfile makefile perl python py rb ruby r sh shell toml yaml yml zsh conf ini".split(" "),
);
const PLAIN = new Set(["", "text", "txt", "plaintext", "markdown", "md", "output", "console"]);
const LONGEST = 20_000; // characters; longer blocks stay plain

const SLASHES = String.raw`\/\/[^\n]*|\/\*[\s\S]*?\*\/`;
const HASHES = String.raw`#[^\n]*`;
const DASHES = String.raw`--[^\n]*`;
const MARKUP = String.raw`<!--[\s\S]*?-->`;

function grammar(language) {
  let comment = SLASHES;
  if (HASH_COMMENTS.has(language)) comment = HASHES;
  else if (["sql", "lua", "haskell"].includes(language)) comment = DASHES;
  else if (["html", "xml", "svg"].includes(language)) comment = MARKUP;
  const string = String.raw`"""[\s\S]*?"""|'''[\s\S]*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|` +
    "`(?:\\\\.|[^`\\\\])*`";
  const number = String.raw`\b(?:0x[\da-fA-F]+|\d[\d_]*(?:\.\d+)?(?:e[+-]?\d+)?)\b`;
  const word = String.raw`[A-Za-z_$][\w$]*`;
  return new RegExp(`(${comment})|(${string})|(${number})|(${word})`, "g");
}

/** @returns pieces `{kind, text}` whose texts joined are `source` */
export function pieces(source, language) {
  const found = [];
  let end = 0;
  const push = (kind, text) => text && found.push({ kind, text });
  for (const match of source.matchAll(grammar(language))) {
    const [text, comment, string, number] = match;
    let kind = "";
    if (comment !== undefined) kind = "comment";
    else if (string !== undefined) kind = "string";
    else if (number !== undefined) kind = "number";
    else if (KEYWORDS.has(text)) kind = "keyword";
    else if (source[match.index + text.length] === "(") kind = "call";
    if (!kind) continue;
    push("", source.slice(end, match.index));
    push(kind, text);
    end = match.index + text.length;
  }
  push("", source.slice(end));
  return found;
}

/** Colour a `<code>` element in place. */
export function highlight(code, language) {
  const source = code.textContent;
  const name = language.toLowerCase();
  if (PLAIN.has(name) || source.length > LONGEST) return;
  code.replaceChildren(
    ...pieces(source, name).map(({ kind, text }) => {
      if (!kind) return document.createTextNode(text);
      const span = document.createElement("span");
      span.className = `code-${kind}`;
      span.textContent = text;
      return span;
    }),
  );
}
