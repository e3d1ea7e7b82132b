// The protocol that keeps the page true: what is sent until it is confirmed, which turns are
// followed, where the person's notices stand. No DOM in here.
//
// Emits: `state` (connection), `ready`, `models`, `accepted`, `refused` (a send), `turn` (a turn
// changed), `notice`, `fresh` (load what is shown, then `followNotices`), `gap` (load what is
// shown), `stale` (a turn's log is gone), `presence`, `typing`, `problem` (an error that belongs
// to no message).

import { toFrame } from "./outbox.js";
import { acknowledged, apply, isOver, newTurn, wantsAck } from "./turns.js";

export class ChatSession extends EventTarget {
  #watching = new Set(); // turns the server was asked to show on the present socket
  #sent = new Set(); // outbox refs on their way over the present socket
  #wanted = new Set(); // turns to watch once nothing is on its way
  #noticeId = null; // the last notice applied: where a reconnect goes on
  #focus = null;

  /**
   * @param {import("./connection.js").Connection} connection
   * @param {import("./outbox.js").Outbox} outbox
   */
  constructor(connection, outbox) {
    super();
    this.connection = connection;
    this.outbox = outbox;
    this.turns = new Map();
    this.me = null;
    this.cursor = undefined; // of the last `ready`
    connection.addEventListener("frame", ({ detail }) => this.#receive(detail));
    connection.addEventListener("state", ({ detail }) => {
      if (detail.state !== "online") {
        this.#watching.clear();
        this.#sent.clear();
      }
      this.#emit("state", detail);
    });
  }

  // -- what the page asks for ------------------------------------------------------------------

  /** Keep what is wanted until the server has it; sent now or when the connection is back. */
  send(wanted) {
    const entry = this.outbox.add(wanted);
    this.#pump();
    return entry;
  }

  /** Try a refused message again under the same id. */
  resend(ref) {
    if (this.outbox.revive(ref)) this.#pump();
  }

  /** Take back what the server never took. */
  withdraw(ref) {
    const entry = this.outbox.remove(ref);
    this.#sent.delete(ref);
    this.#pump();
    return entry;
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
    this.#wanted.delete(turnId);
  }

  /** Receive notices after a place; null for what is new from now on. */
  followNotices(after) {
    this.#noticeId = after;
    this.connection.send({ type: "follow", after });
  }

  stop(turnId) {
    return this.connection.send({ type: "stop", turn_id: turnId });
  }

  /** Say which conversation is open here. */
  focus(conversationId) {
    this.#focus = conversationId;
    this.connection.send({ type: "focus", conversation_id: conversationId });
  }

  typing(conversationId) {
    this.connection.send({ type: "typing", conversation_id: conversationId });
  }

  // -- sending ---------------------------------------------------------------------------------

  #pump() {
    for (const entry of this.outbox.due()) {
      if (this.#sent.has(entry.ref)) continue;
      if (this.connection.send(toFrame(entry))) this.#sent.add(entry.ref);
    }
    if (this.#sent.size) return;
    // A turn of ours is shown without a `watch`; asking before we know which it is would have
    // the server send it twice.
    const wanted = [...this.#wanted];
    this.#wanted.clear();
    for (const turnId of wanted) this.#watch(turnId);
  }

  #watch(turnId) {
    const turn = this.turns.get(turnId);
    if (!turn || this.#watching.has(turnId) || isOver(turn)) return;
    if (this.#sent.size) {
      this.#wanted.add(turnId);
      return;
    }
    const asked = this.connection.send({ type: "watch", turn_id: turnId, after: turn.lastId });
    if (asked) this.#watching.add(turnId);
  }

  // -- receiving -------------------------------------------------------------------------------

  #receive(frame) {
    switch (frame.type) {
      case "ready":
        return this.#ready(frame);
      case "accepted":
        return this.#accepted(frame);
      case "event":
        return this.#event(frame);
      case "notice":
        this.#noticeId = frame.id;
        return this.#emit("notice", frame.notice);
      case "cursor":
        return this.#lost(frame);
      case "presence":
      case "typing":
        return this.#emit(frame.type, frame);
      case "error":
        return this.#error(frame);
      default:
        return undefined; // pong, and frames of later versions
    }
  }

  #ready(frame) {
    this.me = frame.user ?? null;
    this.cursor = frame.cursor ?? null;
    this.#emit("models", frame.models ?? []);
    for (const [turnId, turn] of this.turns) if (!isOver(turn)) this.#watch(turnId);
    if (this.#focus) this.focus(this.#focus);
    if (this.#noticeId !== null) this.followNotices(this.#noticeId);
    else this.#emit("fresh", { cursor: this.cursor });
    this.#pump();
    this.#emit("ready", frame);
  }

  #accepted(frame) {
    const entry = this.outbox.remove(frame.ref);
    this.#sent.delete(frame.ref);
    if (entry) {
      const turnIds = frame.turn_ids?.length ? frame.turn_ids : [frame.turn_id];
      for (const turnId of turnIds) {
        if (!this.turns.has(turnId)) this.turns.set(turnId, newTurn(turnId));
        // The socket that sends a message is shown its turns without asking.
        this.#watching.add(turnId);
      }
      this.#emit("accepted", { entry, frame, turns: turnIds.map((id) => this.turns.get(id)) });
    } // else accepted before, on a connection that broke
    this.#pump();
  }

  #event(frame) {
    const before = this.turns.get(frame.turn_id);
    if (!before) return;
    let after = apply(before, frame);
    if (after === before) return;
    if (wantsAck(after)) {
      this.connection.send({ type: "ack", turn_id: frame.turn_id, id: after.lastId });
      after = acknowledged(after);
    }
    this.turns.set(frame.turn_id, after);
    if (after.lastId !== before.lastId) this.#emit("turn", after);
  }

  #lost(frame) {
    if (frame.turn_id) {
      this.forget(frame.turn_id);
      this.#emit("stale", { turnId: frame.turn_id, problem: frame.problem });
      return;
    }
    this.followNotices(null);
    this.#emit("gap", { problem: frame.problem });
  }

  #error(frame) {
    const entry = frame.ref ? this.outbox.find(frame.ref) : null;
    if (!entry) return this.#emit("problem", frame.error);
    this.#sent.delete(frame.ref);
    this.outbox.refuse(frame.ref, frame.error?.message ?? "");
    this.#emit("refused", entry);
    return this.#pump();
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
