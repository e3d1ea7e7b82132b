// The protocol as the page speaks it, over a socket that the test holds in its hands.

import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { Connection, backoff } from "../../static/web/js/connection.js";
import { Outbox } from "../../static/web/js/outbox.js";
import { ChatSession } from "../../static/web/js/session.js";
import { FakeSocket, MemoryStorage } from "./doubles.js";

const READY = { type: "ready", user: { id: "u", label: "Ada" }, heartbeat_s: 25, cursor: "5-0", models: [{ id: "m" }] };

function start(storage = new MemoryStorage()) {
  FakeSocket.made = [];
  const connection = new Connection("ws://acme.localhost/ws/chat/", { WebSocket: FakeSocket, random: () => 0 });
  const session = new ChatSession(connection, new Outbox(storage));
  const heard = [];
  for (const type of ["accepted", "refused", "turn", "stale", "notice", "fresh", "gap", "problem", "models"]) {
    session.addEventListener(type, ({ detail }) => heard.push([type, detail]));
  }
  connection.open();
  return { connection, session, storage, heard, socket: () => FakeSocket.made.at(-1) };
}

const accepted = (message, turnId = "t1") => ({
  type: "accepted",
  ref: message.ref,
  conversation_id: "c1",
  message_id: "m1",
  turn_id: turnId,
  attempt: 0,
  created: true,
  title: "Hello",
});
const delta = (n, text, attempt = 1) => ({ type: "event", turn_id: "t1", id: `7-${n}`, attempt, event: { kind: "delta", text } });

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
});

test("a message written offline is sent once the server is ready, and only forgotten when accepted", () => {
  const { session, socket } = start();
  const entry = session.send({ conversationId: null, text: "hi", model: null });
  assert.equal(socket().sent.length, 0);
  socket().say(READY);
  assert.equal(socket().sentOf("message").length, 1);
  assert.equal(session.outbox.entries.length, 1);
  socket().say(accepted(entry));
  assert.equal(session.outbox.entries.length, 0);
});

test("a message is repeated under the same id after a break", () => {
  const { session, socket } = start();
  socket().say(READY);
  session.send({ conversationId: "c1", text: "hi", model: null });
  const first = socket().sentOf("message")[0];
  socket().drop();
  mock.timers.tick(60_000);
  socket().say(READY);
  const second = socket().sentOf("message")[0];
  assert.notEqual(FakeSocket.made.length, 1);
  assert.equal(second.client_message_id, first.client_message_id);
});

test("unsent messages survive a reload of the page", () => {
  const { session, storage } = start();
  session.send({ conversationId: "c1", text: "hi", model: "m" });
  const next = start(storage);
  next.socket().say(READY);
  assert.equal(next.socket().sentOf("message")[0].text, "hi");
});

test("a refused message waits for the reader and keeps its id", () => {
  const { session, socket, heard } = start();
  socket().say(READY);
  const entry = session.send({ conversationId: "c1", text: "hi", model: null });
  socket().say({ type: "error", ref: entry.ref, error: { message: "Too many requests." } });
  assert.deepEqual(heard.at(-1)[0], "refused");
  socket().drop();
  mock.timers.tick(60_000);
  socket().say(READY);
  assert.equal(socket().sentOf("message").length, 0);
  session.resend(entry.ref);
  assert.equal(socket().sentOf("message")[0].client_message_id, entry.clientMessageId);
});

test("after a break every running turn is watched from the last event seen", () => {
  const { session, socket } = start();
  socket().say(READY);
  const entry = session.send({ conversationId: null, text: "hi", model: null });
  socket().say(accepted(entry));
  socket().say(delta(1, "one "));
  socket().say(delta(2, "two "));
  assert.equal(socket().sentOf("watch").length, 0);
  socket().drop(1012);
  mock.timers.tick(60_000);
  socket().say(READY);
  assert.deepEqual(socket().sentOf("watch"), [{ type: "watch", turn_id: "t1", after: "7-2" }]);
  socket().say(delta(2, "two "));
  socket().say(delta(3, "three"));
  assert.equal(session.turns.get("t1").text, "one two three");
});

test("a turn followed before the connection is there is watched when it is, from the start", () => {
  const { session, socket } = start();
  session.follow("t1");
  socket().say(READY);
  assert.deepEqual(socket().sentOf("watch"), [{ type: "watch", turn_id: "t1", after: null }]);
});

test("a finished turn is acknowledged and not watched again", () => {
  const { session, socket } = start();
  session.follow("t1");
  socket().say(READY);
  socket().say(delta(1, "all"));
  socket().say({ type: "event", turn_id: "t1", id: "7-2", attempt: 1, event: { kind: "done", message_id: "a" } });
  assert.deepEqual(socket().sentOf("ack"), [{ type: "ack", turn_id: "t1", id: "7-2" }]);
  socket().drop();
  mock.timers.tick(60_000);
  socket().say(READY);
  assert.equal(socket().sentOf("watch").length, 0);
});

test("a cursor problem asks the page to reload from the database", () => {
  const { session, socket, heard } = start();
  session.follow("t1");
  socket().say(READY);
  socket().say({ type: "cursor", turn_id: "t1", problem: "expired" });
  assert.deepEqual(heard.at(-1), ["stale", { turnId: "t1", problem: "expired" }]);
  assert.equal(session.turns.has("t1"), false);
});

test("frames nobody knows are ignored", () => {
  const { socket, heard } = start();
  socket().say(READY);
  const before = heard.length;
  socket().say({ type: "sparkle", x: 1 });
  assert.equal(heard.length, before);
});

for (const code of [4401, 4403, 4404]) {
  test(`close code ${code} ends the tries`, () => {
    const { connection, socket } = start();
    socket().say(READY);
    socket().drop(code);
    mock.timers.tick(600_000);
    assert.equal(connection.state, "stopped");
    assert.equal(FakeSocket.made.length, 1);
  });
}

test("a silent connection is given up after three heartbeats", () => {
  const { connection, socket } = start();
  socket().say(READY);
  mock.timers.tick(25_000);
  mock.timers.tick(25_000);
  assert.equal(socket().sentOf("ping").length, 2);
  assert.equal(connection.state, "online");
  mock.timers.tick(25_000);
  assert.notEqual(connection.state, "online");
});

test("waiting times double, are jittered, and stay under half a minute", () => {
  for (let failures = 0; failures < 12; failures += 1) {
    const least = backoff(failures, () => 0);
    const most = backoff(failures, () => 0.999999);
    assert.ok(least > 0 && least < most && most <= 30_000);
  }
  assert.ok(backoff(4, () => 0.5) > backoff(1, () => 0.5));
});

test("notices are followed from the cursor of the load, and after a break from the last one seen", () => {
  const { session, socket, heard } = start();
  socket().say(READY);
  assert.deepEqual(heard.at(-1), ["fresh", { cursor: "5-0" }]);
  session.followNotices("5-0");
  socket().say({ type: "notice", id: "6-0", notice: { kind: "folders", folders: [] } });
  socket().drop();
  mock.timers.tick(60_000);
  socket().say(READY);
  assert.deepEqual(socket().sentOf("follow"), [{ type: "follow", after: "6-0" }]);
});

test("a gap in the notices asks the page to load everything, and follows what is new", () => {
  const { session, socket, heard } = start();
  socket().say(READY);
  session.followNotices("5-0");
  socket().say({ type: "cursor", turn_id: null, problem: "gap" });
  assert.deepEqual(heard.at(-1), ["gap", { problem: "gap" }]);
  assert.deepEqual(socket().sentOf("follow").at(-1), { type: "follow", after: null });
});

test("the server says when to come back", () => {
  const { socket } = start();
  socket().say(READY);
  socket().say({ type: "reconnect", after_ms: 5000 });
  socket().drop(1012);
  mock.timers.tick(4999);
  assert.equal(FakeSocket.made.length, 1);
  mock.timers.tick(1000);
  assert.equal(FakeSocket.made.length, 2);
});

test("messages of one conversation leave one after the other, in order", () => {
  const { session, socket } = start();
  socket().say(READY);
  const first = session.send({ conversationId: "c1", text: "one" });
  const second = session.send({ conversationId: "c1", text: "two" });
  assert.deepEqual(socket().sentOf("message").map(({ text }) => text), ["one"]);
  socket().say(accepted(first));
  assert.deepEqual(socket().sentOf("message").map(({ text }) => text), ["one", "two"]);
  socket().drop();
  mock.timers.tick(60_000);
  socket().say(READY);
  assert.deepEqual(socket().sentOf("message").map(({ ref }) => ref), [second.ref]);
});

test("a refused message does not hold up the next one", () => {
  const { session, socket } = start();
  socket().say(READY);
  const first = session.send({ conversationId: "c1", text: "one" });
  session.send({ conversationId: "c1", text: "two" });
  socket().say({ type: "error", ref: first.ref, error: { message: "no" } });
  assert.deepEqual(socket().sentOf("message").map(({ text }) => text), ["one", "two"]);
});

test("a turn that a notice names is not watched while its message is on its way", () => {
  const { session, socket } = start();
  socket().say(READY);
  const entry = session.send({ conversationId: "c1", text: "hi" });
  session.follow("t1"); // the notice came before the receipt
  session.follow("t2"); // somebody else's
  assert.equal(socket().sentOf("watch").length, 0);
  socket().say(accepted(entry, "t1"));
  assert.deepEqual(socket().sentOf("watch").map(({ turn_id: id }) => id), ["t2"]);
});

test("every turn of a message to several models is followed", () => {
  const { session, socket } = start();
  socket().say(READY);
  const entry = session.send({ conversationId: "c1", text: "hi", models: ["a", "b"] });
  assert.deepEqual(socket().sentOf("message")[0].models, ["a", "b"]);
  socket().say({ ...accepted(entry), turn_ids: ["t1", "t2"] });
  socket().say({ ...delta(1, "x"), turn_id: "t2" });
  assert.equal(session.turns.get("t2").text, "x");
});

test("asking again is kept and repeated like a message", () => {
  const { session, socket } = start();
  const entry = session.send({ type: "regenerate", conversationId: "c1", messageId: "m1", model: null });
  socket().say(READY);
  const [frame] = socket().sentOf("regenerate");
  assert.deepEqual(frame, { type: "regenerate", ref: entry.ref, client_message_id: entry.ref, message_id: "m1" });
});

test("events that come twice are acknowledged as well", () => {
  const { session, socket } = start();
  session.follow("t1");
  socket().say(READY);
  for (let n = 0; n < 32; n += 1) socket().say(delta(1, "x"));
  assert.equal(session.turns.get("t1").text, "x");
  assert.equal(socket().sentOf("ack").length, 1);
});

test("which conversation is open is said again after a break", () => {
  const { session, socket } = start();
  socket().say(READY);
  session.focus("c1");
  socket().drop();
  mock.timers.tick(60_000);
  socket().say(READY);
  assert.deepEqual(socket().sentOf("focus"), [{ type: "focus", conversation_id: "c1" }]);
});
