// A conversation as a tree: the path that is read, the versions at a fork, what waits.

import assert from "node:assert/strict";
import { test } from "node:test";

import { childrenByParent, deepestFrom, layout, pathTo, sideBySide } from "../../static/web/js/tree.js";

const EPOCH = Date.UTC(2026, 10, 21, 9);
let clock = 0;

/** A message; ids sort by age as UUIDv7 do. */
function message(id, role, parent, extra = {}) {
  clock += 1000;
  return { id, role, parent_id: parent, status: "complete", created_at: new Date(EPOCH + clock).toISOString(), ...extra };
}
const mapOf = (...messages) => new Map(messages.map((each) => [each.id, each]));
const keys = (rows) => rows.map(({ key }) => key);

test("the path leads from the root to the leaf", () => {
  const messages = mapOf(message("1", "user", null), message("2", "assistant", "1"), message("3", "user", "2"), message("4", "assistant", "1"));
  assert.deepEqual(pathTo(messages, "3").path.map(({ id }) => id), ["1", "2", "3"]);
  assert.deepEqual(keys(layout(messages, "4").rows), ["1", "4"]);
});

test("a path whose beginning is not loaded says so", () => {
  const messages = mapOf(message("3", "user", "2"), message("4", "assistant", "3"));
  assert.deepEqual(pathTo(messages, "4"), { path: [...messages.values()], complete: false });
});

test("without a leaf the newest message ends the path", () => {
  const messages = mapOf(message("2", "assistant", "1"), message("1", "user", null));
  assert.deepEqual(keys(layout(messages, null).rows), ["1", "2"]);
});

test("an edited question and a regenerated answer are versions at their place", () => {
  const messages = mapOf(
    message("1", "user", null),
    message("2", "assistant", "1"),
    message("3", "assistant", "1"),
    message("4", "user", null),
    message("5", "assistant", "4"),
  );
  const [question, answer] = layout(messages, "3").rows;
  assert.deepEqual(question.versions.map(([each]) => each.id), ["1", "4"]);
  assert.deepEqual(answer.versions.map(([each]) => each.id), ["2", "3"]);
});

test("answers asked for together stand side by side; a later one is a version beside them", () => {
  const question = message("1", "user", null);
  const together = { created_at: question.created_at };
  const messages = mapOf(question, message("2", "assistant", "1", together), message("3", "assistant", "1", together), message("4", "assistant", "1"));
  const children = childrenByParent(messages.values());
  assert.deepEqual(sideBySide(children, question).map(({ id }) => id), ["2", "3"]);

  const group = layout(messages, "3").rows[1];
  assert.deepEqual([group.kind, group.key, group.message.id], ["group", "group-2", "3"]);
  assert.deepEqual(group.versions.map((each) => each.map(({ id }) => id)), [["2", "3"], ["4"]]);
  assert.equal(layout(messages, "4").rows[1].kind, "answer");
});

test("a message after an answer that is being written waits, and so does what follows it", () => {
  const writing = { status: "streaming" };
  const messages = mapOf(
    message("1", "user", null),
    message("2", "assistant", "1", writing),
    message("3", "user", "2"),
    message("4", "assistant", "3", writing),
    message("5", "user", "4"),
    message("6", "assistant", "5", writing),
  );
  const { rows, queued } = layout(messages, "6");
  assert.deepEqual(keys(rows), ["1", "2"]);
  assert.deepEqual(queued.map(({ question, answer }) => [question.id, answer.id]), [["3", "4"], ["5", "6"]]);
});

test("the newest branch through a message follows the last child each time", () => {
  const messages = mapOf(message("1", "user", null), message("2", "assistant", "1"), message("3", "assistant", "1"), message("4", "user", "3"));
  assert.equal(deepestFrom(childrenByParent(messages.values()), "1"), "4");
  assert.equal(deepestFrom(childrenByParent(messages.values()), "2"), "2");
});

test("a waiting message that was taken back stands where it was, and the next one still waits", () => {
  const writing = { status: "streaming" };
  const messages = mapOf(
    message("1", "user", null),
    message("2", "assistant", "1", writing),
    message("3", "user", "2"),
    message("4", "assistant", "3", { status: "cancelled" }),
    message("5", "user", "4"),
    message("6", "assistant", "5", writing),
  );
  const { rows, queued } = layout(messages, "6");
  assert.deepEqual(keys(rows), ["1", "2", "3", "4"]);
  assert.deepEqual(queued.map(({ question }) => question.id), ["5"]);
});
