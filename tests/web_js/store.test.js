// The law of the store: what was loaded plus the notices after its cursor is what a fresh load
// would show, whatever came twice or late.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Store } from "../../static/web/js/store.js";

const C = "c1";

/** A small deterministic source of chance. */
function chance(seed) {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state % below;
  };
}

/** A server with one conversation: every change raises its version and is told in notices. */
class Server {
  constructor() {
    this.version = 0;
    this.messages = new Map();
    this.log = [];
  }
  change(id, text) {
    this.version += 1;
    this.messages.set(id, { id, text, parent_id: null, role: "user" });
    this.log.push({ kind: "message", version: this.version, conversation_id: C, message: this.messages.get(id) });
    this.log.push({ kind: "conversation", version: this.version, conversation: this.conversation });
  }
  get conversation() {
    return { id: C, version: this.version, title: `v${this.version}` };
  }
}

const shown = (store) => ({
  title: store.conversations.get(C).title,
  messages: [...store.threads.get(C).messages.values()].map(({ id, text }) => [id, text]).sort(),
});

test("a load plus the notices after its cursor is a fresh load", () => {
  for (let seed = 1; seed <= 300; seed += 1) {
    const random = chance(seed);
    const server = new Server();
    const store = new Store();
    const act = () => server.change(`m${random(6)}`, `text ${random(1000)}`);
    for (let n = 0; n < 1 + random(6); n += 1) act();
    const cursor = random(server.log.length + 1);
    for (let n = 0; n < random(4); n += 1) act();
    const conversation = server.conversation;
    for (let n = 0; n < random(3); n += 1) act(); // between the two requests of a load
    store.loadThread(conversation, [...server.messages.values()], null);
    for (let n = 0; n < random(6); n += 1) act();
    const notices = server.log.slice(cursor);
    for (const [index, notice] of notices.entries()) {
      store.apply(notice);
      if (random(3) === 0) store.apply(notices[random(index + 1)]); // late, or twice
    }
    const fresh = new Store();
    fresh.loadThread(server.conversation, [...server.messages.values()], null);
    assert.deepEqual(shown(store), shown(fresh), `seed ${seed}`);
  }
});

test("a reload in between notices takes nothing back", () => {
  const server = new Server();
  const store = new Store();
  server.change("m1", "old");
  const early = server.conversation;
  const page = [...server.messages.values()];
  store.loadThread(early, page, null);
  server.change("m1", "new");
  server.change("m2", "another");
  for (const notice of server.log) store.apply(notice);
  store.loadThread(early, page, null); // an answer that was long on its way
  assert.deepEqual(shown(store).messages, [["m1", "new"], ["m2", "another"]]);
  assert.equal(shown(store).title, "v3");
});

test("the first notices of a new conversation are its whole thread", () => {
  const server = new Server();
  const store = new Store();
  server.change("m1", "hello");
  for (const notice of server.log) store.apply(notice);
  assert.deepEqual(shown(store).messages, [["m1", "hello"]]);
});

test("messages of conversations that are not loaded are left to the load", () => {
  const store = new Store();
  store.apply({ kind: "message", version: 7, conversation_id: C, message: { id: "m1" } });
  assert.equal(store.threads.has(C), false);
});

test("a conversation that is gone is gone with its thread", () => {
  const server = new Server();
  const store = new Store();
  server.change("m1", "hello");
  for (const notice of server.log) store.apply(notice);
  store.apply({ kind: "conversation_gone", conversation_id: C });
  assert.deepEqual([store.conversations.size, store.threads.size], [0, 0]);
});

test("notices of later kinds are ignored", () => {
  assert.doesNotThrow(() => new Store().apply({ kind: "sparkle" }));
});
