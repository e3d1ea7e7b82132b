// The parts of a message beside its text: tool calls, thoughts, files. Everything is shown as text.

import { contentAddress, thumbnailAddress } from "./api.js";
import { icon, make, sizeText } from "./dom.js";

const CALL_WORDS = {
  running: "Working…",
  completed: "Done",
  failed: "Failed",
  refused: "Not allowed",
};
const CALL_ICONS = { running: "tool", completed: "check", failed: "warning", refused: "lock" };
const SHOWN_MOST = 20_000; // characters of one argument or result

const readable = (name) => name.replaceAll(/[_.-]+/g, " ").trim() || "tool";

/** JSON on several lines; anything else as it is. */
function pretty(text) {
  let shown = text ?? "";
  try {
    const value = JSON.parse(shown);
    if (value !== null && typeof value === "object") shown = JSON.stringify(value, null, 2);
  } catch {
    // Not JSON, or half of it.
  }
  return shown.length > SHOWN_MOST ? `${shown.slice(0, SHOWN_MOST)}\n… (cut here)` : shown;
}

const durationText = (ms) => (ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`);

function section(title, text) {
  if (!text || text === "{}") return "";
  const body = make("pre", { tabIndex: 0 }, text);
  return make("div", { className: "call-part" }, make("h4", {}, title), body);
}

/** Shows an answer's tool calls as cards; those that did not change stay as they are. */
export class CallsView {
  #shown = new Map(); // call id → {call, element}

  constructor(element) {
    this.element = element;
  }

  /** @param {import("./turns.js").Call[]} calls */
  show(calls) {
    for (const call of calls) {
      const present = this.#shown.get(call.callId);
      if (present && same(present.call, call)) continue;
      const element = card(call, present?.element.open ?? false);
      if (present) present.element.replaceWith(element);
      else this.element.append(element);
      this.#shown.set(call.callId, { call, element });
    }
    const kept = new Set(calls.map(({ callId }) => callId));
    for (const [id, { element }] of this.#shown) {
      if (kept.has(id)) continue;
      element.remove();
      this.#shown.delete(id);
    }
    this.element.hidden = calls.length === 0;
  }
}

const same = (a, b) => a.status === b.status && a.result === b.result && a.arguments === b.arguments;

function card(call, open) {
  const time = call.status === "running" || !call.ms ? "" : ` · ${durationText(call.ms)}`;
  const summary = make(
    "summary",
    {},
    icon(CALL_ICONS[call.status] ?? "tool"),
    make("span", { className: "call-name" }, readable(call.name)),
    make("span", { className: "call-status" }, `${CALL_WORDS[call.status] ?? call.status}${time}`),
    icon("chevron-down"),
  );
  const body = make(
    "div",
    { className: "call-body" },
    section("Asked with", pretty(call.arguments)),
    section(call.status === "completed" ? "Result" : "What happened", pretty(call.result)),
  );
  if (!body.childElementCount) body.append(make("p", { className: "soft" }, "No details yet."));
  return make("details", { className: "call", open, dataset: { status: call.status } }, summary, body);
}

/** The stored parts in the shape of a live turn. */
export function fromParts(parts = []) {
  const of = (type) => parts.filter((part) => part.type === type);
  return {
    reasoning: of("reasoning").map(({ text }) => text).join("\n\n"),
    tools: of("tool").map((part) => ({
      callId: part.call_id,
      name: part.name,
      arguments: part.arguments,
      status: part.status,
      result: part.result ?? "",
      ms: part.ms ?? 0,
    })),
    attachments: of("attachment"),
  };
}

const isPicture = (type) => /^image\/(?:png|jpeg|gif|webp)$/.test(type ?? "");

/** The files of a message that was sent: pictures to look at, others to open. */
export function fileList(attachments) {
  const list = make("ul", { className: "files", ariaLabel: "Files" });
  for (const file of attachments) {
    const link = make("a", {
      href: contentAddress(file.attachment_id),
      target: "_blank",
      rel: "noopener",
      className: "file",
      title: file.name,
    });
    if (isPicture(file.media_type)) {
      const picture = make("img", {
        src: thumbnailAddress(file.attachment_id),
        alt: file.name,
        width: 160,
        height: 120,
        loading: "lazy",
        decoding: "async",
      });
      picture.addEventListener("error", () => {
        link.classList.remove("file-picture");
        link.replaceChildren(...fileWords(file));
      });
      link.classList.add("file-picture");
      link.append(picture);
    } else {
      link.append(...fileWords(file));
    }
    list.append(make("li", {}, link));
  }
  return list;
}

export function fileWords(file) {
  return [
    icon("file"),
    make("span", { className: "file-words" }, make("strong", {}, file.name), make("small", {}, sizeText(file.size))),
  ];
}
