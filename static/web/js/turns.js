// The state of one turn on the page, and the only function that changes it.
//
// A turn's events arrive in order, but a connection may break at any of them: the server then
// sends everything after the last id the page saw, and may send some events twice. The law this
// file keeps: whatever is repeated and wherever the stream is cut, the final state is the one an
// unbroken stream gives. `apps/conversations/domain/snapshot.py` is the same function in Python;
// `tests/web_js/vectors.json` holds both to the same answers.

/**
 * @typedef {"queued"|"streaming"|"retrying"|"complete"|"cancelled"|"interrupted"|"failed"} Status
 * @typedef {{callId: string, name: string, arguments: string, status: string, result: string, ms: number}} Call
 * @typedef {object} Turn
 * @property {string} id
 * @property {number} attempt  0 until the first event says which attempt is running
 * @property {string|null} lastId  id of the last event applied: what a reconnect resumes after
 * @property {string} text  the answer so far
 * @property {string} reasoning  the thoughts so far, where they are shown
 * @property {Call[]} tools  the calls in the order of their first event
 * @property {Status} status
 * @property {string|null} model
 * @property {number} level  degradation, 1 (everything) to 4 (no model)
 * @property {string|null} messageId  the stored answer, known at the end
 * @property {object|null} error  the inside of the error envelope
 * @property {string|null} finishReason
 * @property {{prompt: number, completion: number, estimated: boolean}|null} usage
 * @property {number} unacknowledged  events received since the last ack
 */

const TERMINAL = new Set(["complete", "cancelled", "interrupted", "failed"]);

/** @returns {Turn} */
export function newTurn(id, known = {}) {
  return {
    id,
    attempt: 0,
    lastId: null,
    text: "",
    reasoning: "",
    tools: [],
    status: "queued",
    model: null,
    level: 1,
    messageId: null,
    error: null,
    finishReason: null,
    usage: null,
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
  if (frame.turn_id !== turn.id || isOver(turn)) return turn; // a turn ends once
  const unacknowledged = turn.unacknowledged + 1;
  if (turn.lastId !== null && compareIds(frame.id, turn.lastId) <= 0) {
    return { ...turn, unacknowledged }; // seen; the server still wants to hear of it
  }
  const moved = { ...turn, lastId: frame.id, unacknowledged };
  if (frame.attempt < turn.attempt) return moved; // a worker that lost its lease still talks
  if (frame.attempt === turn.attempt) return reduce(moved, frame.event);
  return reduce(
    { ...moved, attempt: frame.attempt, text: "", reasoning: "", tools: [], error: null },
    frame.event,
  );
}

function reduce(turn, event) {
  switch (event.kind) {
    case "start":
      return {
        ...turn,
        status: "streaming",
        model: event.model ?? turn.model,
        text: event.text ?? "",
        level: event.level ?? 1,
        reasoning: "",
        tools: [],
      };
    case "delta":
      return { ...turn, status: "streaming", text: turn.text + event.text };
    case "reasoning":
      return { ...turn, status: "streaming", reasoning: turn.reasoning + event.text };
    case "tool":
      return { ...turn, status: "streaming", tools: withCall(turn.tools, event) };
    case "snapshot":
      return { ...turn, status: "streaming", text: event.text };
    case "usage":
      return {
        ...turn,
        usage: {
          prompt: event.prompt_tokens,
          completion: event.completion_tokens,
          estimated: event.estimated,
        },
      };
    case "retrying":
      return { ...turn, status: "retrying" };
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
      return {
        ...turn,
        status: "failed",
        messageId: event.message_id ?? turn.messageId,
        error: event.error ?? null,
      };
    default:
      return turn; // kinds of later versions move the cursor and change nothing that is shown
  }
}

function withCall(calls, event) {
  const call = {
    callId: event.call_id,
    name: event.name,
    arguments: event.arguments,
    status: event.status,
    result: event.result ?? "",
    ms: event.ms ?? 0,
  };
  const known = calls.some(({ callId }) => callId === call.callId);
  return known ? calls.map((each) => (each.callId === call.callId ? call : each)) : [...calls, call];
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
