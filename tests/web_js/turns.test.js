// The state/event law of a turn on the page: repeats and cuts change nothing.
//   node --test tests/web_js/

import assert from "node:assert/strict";
import { test } from "node:test";

import { ACK_EVERY, acknowledged, apply, compareIds, isOver, newTurn, wantsAck } from "../../static/web/js/turns.js";

const TURN = "0198c5f2-0000-7000-8000-000000000001";

function frames(events) {
  return events.map(([attempt, event], index) => ({
    type: "event",
    turn_id: TURN,
    id: `1700000000${String(100 + Math.floor(index / 3))}-${index}`,
    attempt,
    event,
  }));
}

const words = "Karen answers in **small** pieces, and\n\n- none\n- is lost.".match(/[\s\S]{1,5}/g);
const deltas = (attempt, pieces) => pieces.map((text) => [attempt, { kind: "delta", text }]);

const STREAMS = {
  plain: frames([
    [1, { kind: "start", model: "m" }],
    ...deltas(1, words),
    [1, { kind: "usage", prompt_tokens: 3, completion_tokens: 9, estimated: false }],
    [1, { kind: "done", message_id: "a", finish_reason: "stop" }],
  ]),
  retried: frames([
    [1, { kind: "start", model: "m" }],
    ...deltas(1, words.slice(0, 5)),
    [1, { kind: "retrying" }],
    [2, { kind: "start", model: "m" }],
    ...deltas(2, words),
    [2, { kind: "done", message_id: "a", finish_reason: "length" }],
  ]),
  stolen: frames([
    [1, { kind: "start", model: "m" }],
    ...deltas(1, words.slice(0, 3)),
    [2, { kind: "start", model: "n" }], // no word of farewell from the first worker
    [1, { kind: "delta", text: "a ghost speaks" }],
    ...deltas(2, words),
    [2, { kind: "done", message_id: "a", finish_reason: "stop" }],
  ]),
  snapshot: frames([
    [1, { kind: "start", model: "m" }],
    [1, { kind: "snapshot", text: words.slice(0, 4).join("") }],
    ...deltas(1, words.slice(4)),
    [1, { kind: "cancelled", message_id: "a" }],
  ]),
  failed: frames([
    [1, { kind: "start", model: "m" }],
    ...deltas(1, words.slice(0, 2)),
    [1, { kind: "error", message_id: "a", error: { type: "x", message: "no" } }],
  ]),
};

const run = (events, from = newTurn(TURN)) => events.reduce(apply, from);
const shown = ({ unacknowledged, ...turn }) => turn;
const after = (events, id) => events.filter((each) => id === null || compareIds(each.id, id) > 0);

for (const [name, events] of Object.entries(STREAMS)) {
  const whole = shown(run(events));

  test(`${name}: ends as it should`, () => {
    assert.equal(isOver(whole), true);
    if (name !== "failed") assert.equal(whole.text, words.join(""));
  });

  test(`${name}: every event twice gives the same`, () => {
    assert.deepEqual(shown(run(events.flatMap((each) => [each, each]))), whole);
  });

  test(`${name}: cut anywhere and resumed after the last id gives the same`, () => {
    for (let cut = 0; cut <= events.length; cut += 1) {
      const before = run(events.slice(0, cut));
      assert.deepEqual(shown(run(after(events, before.lastId), before)), whole, `cut at ${cut}`);
    }
  });

  test(`${name}: cut anywhere and repeated from any earlier event gives the same`, () => {
    for (let cut = 0; cut <= events.length; cut += 1) {
      for (let from = 0; from <= cut; from += 1) {
        const before = run(events.slice(0, cut));
        assert.deepEqual(shown(run(events.slice(from), before)), whole, `cut ${cut}, from ${from}`);
      }
    }
  });

  test(`${name}: two cuts anywhere give the same`, () => {
    for (let one = 0; one <= events.length; one += 1) {
      for (let two = one; two <= events.length; two += 3) {
        const first = run(events.slice(0, one));
        const second = run(after(events.slice(0, two), first.lastId), first);
        assert.deepEqual(shown(run(after(events, second.lastId), second)), whole);
      }
    }
  });

  test(`${name}: a page that joins late sees the running attempt from its start`, () => {
    for (let cut = 0; cut <= events.length; cut += 1) {
      const attempt = Math.max(1, ...events.slice(0, cut).map((each) => each.attempt));
      const replay = events.filter((each) => each.attempt >= attempt);
      const late = run(replay, newTurn(TURN, { text: "half an answer from the databa" }));
      assert.equal(late.text, whole.text);
      assert.equal(late.status, whole.status);
    }
  });
}

test("ids are compared as numbers, not as text", () => {
  assert.ok(compareIds("99-0", "100-0") < 0);
  assert.ok(compareIds("100-9", "100-10") < 0);
  assert.equal(compareIds("100-1", "100-1"), 0);
});

test("an event of another turn changes nothing", () => {
  const turn = newTurn("other");
  assert.equal(apply(turn, STREAMS.plain[1]), turn);
});

test("an unknown kind moves the cursor and nothing else", () => {
  const before = run(STREAMS.plain.slice(0, 3));
  const next = apply(before, { ...STREAMS.plain[3], event: { kind: "sparkle", text: "!" } });
  assert.equal(next.text, before.text);
  assert.equal(next.lastId, STREAMS.plain[3].id);
});

test("acks are due every so many events and at the end", () => {
  let turn = newTurn(TURN);
  for (let n = 1; n < ACK_EVERY; n += 1) {
    turn = apply(turn, { turn_id: TURN, id: `5-${n}`, attempt: 1, event: { kind: "delta", text: "x" } });
    assert.equal(wantsAck(turn), false);
  }
  turn = apply(turn, { turn_id: TURN, id: `5-${ACK_EVERY}`, attempt: 1, event: { kind: "delta", text: "x" } });
  assert.equal(wantsAck(turn), true);
  turn = acknowledged(turn);
  assert.equal(wantsAck(turn), false);
  turn = apply(turn, { turn_id: TURN, id: "6-0", attempt: 1, event: { kind: "done", message_id: "a" } });
  assert.equal(wantsAck(turn), true);
});

test("a turn cancelled before any worker took it is over at attempt 0", () => {
  const turn = apply(newTurn(TURN), { turn_id: TURN, id: "1-0", attempt: 0, event: { kind: "cancelled" } });
  assert.equal(turn.status, "cancelled");
});
