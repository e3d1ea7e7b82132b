// The browser's reducer against the vectors that Python made (tests/unit/web/test_vectors.py).

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { apply, newTurn } from "../../static/web/js/turns.js";

const VECTORS = JSON.parse(readFileSync(new URL("./vectors.json", import.meta.url), "utf8"));
const TURN = "t";

/** How the page calls what the server calls otherwise. */
const STATES = { queued: "waiting", complete: "done", failed: "error" };

function shown(turn) {
  return {
    cursor: (turn.lastId ?? "0-0").split("-").map(Number),
    attempt: turn.attempt,
    text: turn.text,
    reasoning: turn.reasoning,
    tools: turn.tools.map(({ callId, status }) => [callId, status]),
    state: STATES[turn.status] ?? turn.status,
  };
}

test("the page shows what Python shows, for every vector", () => {
  assert.ok(VECTORS.length >= 50);
  for (const [index, vector] of VECTORS.entries()) {
    const turn = vector.frames.reduce((state, frame) => apply(state, { turn_id: TURN, ...frame }), newTurn(TURN));
    assert.deepEqual(shown(turn), vector.shown, `vector ${index}`);
  }
});
