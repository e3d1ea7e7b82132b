// What the page knows about turns, and the protocol that keeps it true. No DOM in here.
//
// Emits: `state` (connection), `models`, `accepted`, `refused` (a send), `turn` (a turn changed),
// `conversation` (title or order changed), `stale` (reload this conversation from the server),
// `problem` (an error that belongs to no message).

import { toFrame } from "./outbox.js";
import { acknowledged, apply, isOver, newTurn, wantsAck } from "./turns.js";

export class ChatSession extends EventTarget {
  /** Turns the server was asked to show on the present socket. */
  #watching = new Set();

  /**
   * @param {import("./connection.js").Connection} connection
   * @param {import("./outbox.js").Outbox} outbox
   */
  constructor(connection, outbox) {
    super();
    this.connection = connection;
    this.outbox = outbox;
    this.turns = new Map();
    connection.addEventListener("frame", ({ detail }) => this.#receive(detail));
    connection.addEventListener("state", ({ detail }) => {
      if (detail.state !== "online") this.#watching.clear();
      this.#emit("state", detail);
    });
  }

  /** Keep a message until the server has it; sent now or when the connection is back. */
  send({ conversationId, text, model }) {
    const entry = this.outbox.add({ conversationId, text, model });
    this.connection.send(toFrame(entry));
    return entry;
  }

  /** Try a refused message again under the same id. */
  resend(ref) {
    const entry = this.outbox.revive(ref);
    if (entry) this.connection.send(toFrame(entry));
  }

  /** Follow a turn that is already running, from the start of its attempt. */
  follow(turnId) {
    if (!this.turns.has(turnId)) this.turns.set(turnId, newTurn(turnId));
    this.#watch(turnId);
    return this.turns.get(turnId);
  }

  /** Forget what was read of a turn: the next `follow` reads it from the start again. */
  forget(turnId) {
    this.turns.delete(turnId);
    this.#watching.delete(turnId);
  }

  stop(turnId) {
    return this.connection.send({ type: "stop", turn_id: turnId });
  }

  #watch(turnId) {
    const turn = this.turns.get(turnId);
    if (this.#watching.has(turnId) || isOver(turn)) return;
    const asked = this.connection.send({ type: "watch", turn_id: turnId, after: turn.lastId });
    if (asked) this.#watching.add(turnId);
  }

  #receive(frame) {
    switch (frame.type) {
      case "ready":
        return this.#ready(frame);
      case "accepted":
        return this.#accepted(frame);
      case "event":
        return this.#event(frame);
      case "cursor":
        this.forget(frame.turn_id);
        return this.#emit("stale", { turnId: frame.turn_id, problem: frame.problem });
      case "error":
        return this.#error(frame);
      case "conversation":
        return this.#emit("conversation", frame.conversation);
      default:
        return undefined; // pong, and frames of later versions
    }
  }

  #ready(frame) {
    this.#emit("models", frame.models ?? []);
    for (const [turnId, turn] of this.turns) if (!isOver(turn)) this.#watch(turnId);
    for (const message of this.outbox.frames()) this.connection.send(message);
  }

  #accepted(frame) {
    const entry = this.outbox.remove(frame.ref);
    if (!entry) return; // accepted before, on a connection that broke
    if (!this.turns.has(frame.turn_id)) this.turns.set(frame.turn_id, newTurn(frame.turn_id));
    // The socket that sends a message is shown its turn without asking.
    this.#watching.add(frame.turn_id);
    this.#emit("accepted", { entry, frame, turn: this.turns.get(frame.turn_id) });
  }

  #event(frame) {
    const before = this.turns.get(frame.turn_id);
    if (!before) return;
    let after = apply(before, frame);
    if (after === before) return;
    if (wantsAck(after)) {
      this.connection.send({ type: "ack", turn_id: frame.turn_id, id: frame.id });
      after = acknowledged(after);
    }
    this.turns.set(frame.turn_id, after);
    this.#emit("turn", after);
  }

  #error(frame) {
    const entry = frame.ref ? this.outbox.find(frame.ref) : null;
    if (!entry) return this.#emit("problem", frame.error);
    this.outbox.refuse(frame.ref, frame.error?.message ?? "");
    return this.#emit("refused", entry);
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
