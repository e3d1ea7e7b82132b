// The state of one turn on the page, and the only function that changes it.
//
// A turn's events arrive in order, but a connection may break at any of them: the server then
// sends everything after the last id the page saw, and may send some events twice. The law this
// file keeps (tests/web_js/turns.test.js): whatever is repeated and wherever the stream is cut,
// the final state is the one an unbroken stream gives.

/**
 * @typedef {"queued"|"streaming"|"retrying"|"complete"|"cancelled"|"interrupted"|"failed"} Status
 * @typedef {object} Turn
 * @property {string} id
 * @property {number} attempt  0 until the first event says which attempt is running
 * @property {string|null} lastId  id of the last event applied: what a reconnect resumes after
 * @property {string} text  the answer so far
 * @property {Status} status
 * @property {string|null} model
 * @property {string|null} messageId  the stored answer, known at the end
 * @property {object|null} error  the inside of the error envelope
 * @property {string|null} finishReason
 * @property {number} unacknowledged  events applied since the last ack
 */

const TERMINAL = new Set(["complete", "cancelled", "interrupted", "failed"]);

/** @returns {Turn} */
export function newTurn(id, known = {}) {
  return {
    id,
    attempt: 0,
    lastId: null,
    text: "",
    status: "queued",
    model: null,
    messageId: null,
    error: null,
    finishReason: null,
    unacknowledged: 0,
    ...known,
  };
}

export function isOver(turn) {
  return TERMINAL.has(turn.status);
}

/** Compare two stream ids (`<milliseconds>-<sequence>`); negative when `a` is older. */
export function compareIds(a, b) {
  const [aTime, aSequence = "0"] = a.split("-");
  const [bTime, bSequence = "0"] = b.split("-");
  return Number(aTime) - Number(bTime) || Number(aSequence) - Number(bSequence);
}

/**
 * Apply one `event` frame and return the new state; the same object when nothing changed.
 *
 * @param {Turn} turn
 * @param {{turn_id: string, id: string, attempt: number, event: object}} frame
 * @returns {Turn}
 */
export function apply(turn, frame) {
  if (frame.turn_id !== turn.id) return turn;
  if (frame.attempt < turn.attempt) return turn; // a worker that lost its lease still talks
  const newAttempt = frame.attempt > turn.attempt;
  const seen = turn.lastId !== null && compareIds(frame.id, turn.lastId) <= 0;
  if (seen && !newAttempt) return turn;
  if (isOver(turn) && !newAttempt) return turn; // exactly one end per attempt

  const base = newAttempt
    ? { ...turn, attempt: frame.attempt, text: "", status: "queued", error: null }
    : turn;
  const next = reduce(base, frame.event);
  return { ...next, lastId: frame.id, unacknowledged: turn.unacknowledged + 1 };
}

function reduce(turn, event) {
  switch (event.kind) {
    case "start":
      return { ...turn, status: "streaming", model: event.model ?? turn.model };
    case "delta":
      return { ...turn, status: "streaming", text: turn.text + event.text };
    case "snapshot":
      return { ...turn, status: "streaming", text: event.text };
    case "retrying":
      return { ...turn, status: "retrying", text: "" };
    case "done":
      return {
        ...turn,
        status: "complete",
        messageId: event.message_id ?? turn.messageId,
        finishReason: event.finish_reason ?? null,
      };
    case "cancelled":
    case "interrupted":
      return { ...turn, status: event.kind, messageId: event.message_id ?? turn.messageId };
    case "error":
      return { ...turn, status: "failed", error: event.error ?? null };
    default:
      return turn; // usage and kinds of later versions change nothing that is shown
  }
}

/** Every how many events the page tells the server how far it has read. */
export const ACK_EVERY = 32;

/** Say whether the server should be told now how far the page has read. */
export function wantsAck(turn) {
  return turn.unacknowledged >= ACK_EVERY || (turn.unacknowledged > 0 && isOver(turn));
}

export function acknowledged(turn) {
  return { ...turn, unacknowledged: 0 };
}
