// A conversation is a tree of messages; what is read is the path from a root to a leaf. Pure.

/** Answers stored this close to their question were asked for together with it. */
const TOGETHER_MS = 100;

const byAge = (a, b) => (a.id < b.id ? -1 : 1); // ids are UUIDv7: they sort by creation

/**
 * @param {Iterable<object>} messages
 * @returns {Map<string|null, object[]>} the children of each message, oldest first
 */
export function childrenByParent(messages) {
  const children = new Map();
  for (const message of messages) {
    const parent = message.parent_id ?? null;
    if (!children.has(parent)) children.set(parent, []);
    children.get(parent).push(message);
  }
  for (const several of children.values()) several.sort(byAge);
  return children;
}

/**
 * @param {Map<string, object>} messages
 * @param {string|null} leafId  null for the newest message
 * @returns {{path: object[], complete: boolean}} oldest first; not complete while older messages
 *   of it have not been loaded
 */
export function pathTo(messages, leafId) {
  const path = [];
  let next = leafId ?? newest(messages);
  while (next) {
    const message = messages.get(next);
    if (!message) return { path: path.reverse(), complete: false };
    path.push(message);
    next = message.parent_id;
  }
  return { path: path.reverse(), complete: true };
}

function newest(messages) {
  let last = null;
  for (const id of messages.keys()) if (last === null || id > last) last = id;
  return last;
}

/** The end of the newest branch through a message, as the server finds it: always the last child. */
export function deepestFrom(children, messageId) {
  let id = messageId;
  for (let below = children.get(id); below?.length; below = children.get(id)) id = below.at(-1).id;
  return id;
}

/** The answers that several models gave to one question side by side; empty if there was one. */
export function sideBySide(children, question) {
  const asked = Date.parse(question.created_at);
  const together = (children.get(question.id) ?? []).filter(
    (each) => each.role === "assistant" && Date.parse(each.created_at) - asked <= TOGETHER_MS,
  );
  return together.length > 1 ? together : [];
}

/**
 * The versions among which a reader can switch at this place, each a list of messages: one, or
 * several that stand side by side.
 */
export function versionsAt(children, messages, message) {
  const siblings = (children.get(message.parent_id ?? null) ?? []).filter(
    (each) => each.role === message.role,
  );
  const question = message.role === "assistant" ? messages.get(message.parent_id) : null;
  const group = question ? sideBySide(children, question) : [];
  const grouped = new Set(group);
  const singles = siblings.filter((each) => !grouped.has(each)).map((each) => [each]);
  return group.length ? [group, ...singles] : singles;
}

const isWriting = (message) => message?.role === "assistant" && message.status === "streaming";

/**
 * What the thread shows, top to bottom, and what waits in the queue below it.
 *
 * @returns {{rows: {kind: "question"|"answer"|"group", key: string, message: object,
 *   members?: object[], versions: object[][]}[], queued: {question: object, answer: object|null}[],
 *   complete: boolean}}
 */
export function layout(messages, leafId) {
  const children = childrenByParent(messages.values());
  const { path, complete } = pathTo(messages, leafId);
  const rows = [];
  const queued = [];
  const waiting = new Set();
  let writing = false; // whether an answer further up is being written
  for (const [index, message] of path.entries()) {
    if (message.role === "user") {
      const answer = path[index + 1] ?? null;
      // One that was taken back is over already; it is shown where it stands.
      if (writing && (answer === null || isWriting(answer))) {
        queued.push({ question: message, answer });
        waiting.add(answer);
        continue;
      }
    } else if (waiting.has(message)) continue;
    writing ||= isWriting(message);
    const versions = versionsAt(children, messages, message);
    if (message.role === "user") {
      rows.push({ kind: "question", key: message.id, message, versions });
      continue;
    }
    const members = versions.find((each) => each.includes(message)) ?? [message];
    const kind = members.length > 1 ? "group" : "answer";
    const key = kind === "group" ? `group-${members[0].id}` : message.id;
    rows.push({ kind, key, message, members, versions });
  }
  return { rows, queued, complete };
}
