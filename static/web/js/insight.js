// Why an answer became what it is: what the model saw, and the steps of its turn. All of it is
// shown as text.

import * as api from "./api.js";
import { make } from "./dom.js";
import { panelDialog } from "./menu.js";
import { costText } from "./settings.js";

const SOURCES = {
  system: "Instructions",
  question: "The question",
  prefix: "The answer so far",
  continue: "The wish to go on",
  standing: "Standing instruction",
  profile: "Profile",
  pin: "Pinned message",
  summary: "Summary of what was before",
  thread: "This conversation",
  attachment: "File",
  past: "Earlier conversation",
  memory: "Memory",
};
const STEPS = {
  claimed: "A worker took it",
  instructions: "Instructions were put together",
  context: "Context was put together",
  route: "A model was chosen",
  model_call: "The model was asked",
  tool_call: "A tool was called",
  retry: "Tried again",
  fallback: "Another model was taken",
  degraded: "Went on with less",
  settled: "Ended",
};

const sourceName = (source) => SOURCES[source] ?? String(source ?? "Other").replaceAll("_", " ");
const count = (value) => (value ?? 0).toLocaleString();

/**
 * @param {(id: string) => string} labelOf  what people call a model
 * @param {{first?: string}} options  `memories`: what was remembered stands above all else
 */
export async function openInsight(turnId, labelOf, { first = "" } = {}) {
  const { element } = panelDialog("About this answer", { wide: true });
  element.append(make("p", { className: "soft" }, "Loading…"));
  try {
    const [turn, context, trace] = await Promise.all([
      api.getTurn(turnId),
      api.optional(api.getContext(turnId)),
      api.optional(api.getTrace(turnId)),
    ]);
    const used = context ? remembered(context) : "";
    element.replaceChildren(
      ...(first === "memories" ? [used, facts(turn, labelOf)] : [facts(turn, labelOf), used]),
      ...(context ? [seen(context)] : []),
      ...(trace ? [steps(trace)] : []),
    );
  } catch (error) {
    element.replaceChildren(make("p", {}, `This could not be loaded. ${error.message}`));
  }
}

function facts(turn, labelOf) {
  const seconds = turn.finished_at ? (Date.parse(turn.finished_at) - Date.parse(turn.created_at)) / 1000 : null;
  const rows = [
    ["Model", labelOf(turn.model)],
    ["Took", seconds === null ? "still running" : `${seconds.toFixed(1)} s${turn.attempt > 1 ? `, ${turn.attempt} attempts` : ""}`],
    ["Read", tokens(turn.prompt_tokens, turn)],
    ["Wrote", tokens(turn.completion_tokens, turn)],
    ["Cost", costText(turn.cost)],
    ["Reference", turn.correlation_id],
  ].filter(([, value]) => value);
  return make("dl", { className: "facts" }, ...rows.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
}

const tokens = (value, turn) =>
  value === null || value === undefined ? "" : `${count(value)} tokens${turn.usage_estimated ? " (estimated)" : ""}`;

function seen(context) {
  if (!context.known) {
    return section("What the model saw", make("p", { className: "soft" }, "Nothing was recorded for this answer."));
  }
  const taken = context.items.filter((item) => item.taken && !isMemory(item));
  const cut = context.items.filter((item) => !item.taken);
  const counted = context.exact ? "" : " (estimated)";
  const parts = [
    make("p", {}, `${count(context.used_tokens)} of ${count(context.room_tokens)} tokens were used${counted}.`),
    list(taken),
  ];
  if (cut.length) parts.push(make("h4", {}, `Left out (${cut.length})`), list(cut));
  if (context.missing.length) parts.push(make("p", {}, `Could not be asked: ${context.missing.join(", ")}.`));
  return section("What the model saw", ...parts);
}

const isMemory = (item) => item.id.startsWith("memory:");

/** Everything remembered that went into the answer: what, why, and where it can be corrected. */
function remembered(context) {
  const used = context.known ? context.items.filter((item) => item.taken && isMemory(item)) : [];
  if (!used.length) return "";
  return section("Memories used", make("ul", { className: "insight-list memories" }, ...used.map(memory)));
}

function memory(item) {
  const id = item.id.slice("memory:".length);
  const text = item.preview || "It was forgotten since, or it is not yours to see.";
  const links = [];
  if (item.remembered === "memory") links.push(make("a", { href: `/settings/memory/${id}/` }, "Why Karen believes this"));
  if (item.remembered === "said" && item.conversation_id) {
    links.push(make("a", { href: `/chat/${item.conversation_id}/#m-${id}` }, "Open the message"));
  }
  const because = item.because ? `${item.because}.` : "";
  return make(
    "li",
    {},
    make("p", { className: item.preview ? "memories-text" : "soft" }, item.remembered === "said" ? `“${text}”` : text),
    ...(because ? [make("p", { className: "memories-why" }, because)] : []),
    ...links.map((link) => make("p", { className: "memories-why" }, link)),
  );
}

const section = (title, ...parts) =>
  make("section", { className: "insight" }, make("h3", {}, title), ...parts);

function list(items) {
  if (!items.length) return make("p", { className: "soft" }, "Nothing.");
  return make("ul", { className: "insight-list" }, ...items.map(line));
}

function line(item) {
  const why = [`${count(item.tokens)} tokens`, item.taken ? item.why : item.reason].filter(Boolean).join(" · ");
  const head = make("span", { className: "insight-head" }, make("strong", {}, sourceName(item.source)), make("small", {}, why));
  return make("li", {}, head, item.preview ? make("p", {}, item.preview) : "");
}

function steps(trace) {
  const all = trace.steps ?? [];
  if (!all.length) return "";
  return section("What was done", make("ol", { className: "insight-list" }, ...all.map(step)));
}

function step({ kind, ms, attempt, detail }) {
  const head = make(
    "summary",
    {},
    make("strong", {}, STEPS[kind] ?? String(kind).replaceAll(/[_.]/g, " ")),
    make("small", {}, [ms ? `${count(ms)} ms` : "", attempt > 1 ? `attempt ${attempt}` : ""].filter(Boolean).join(" · ")),
  );
  if (!detail || !Object.keys(detail).length) return make("li", { className: "step" }, ...head.childNodes);
  return make("li", { className: "step" }, make("details", {}, head, make("pre", { tabIndex: 0 }, JSON.stringify(detail, null, 2))));
}
