// Why an answer became what it is: what the model saw, and the steps of its turn. All of it is
// shown as text.

import * as api from "./api.js";
import { make } from "./dom.js";
import { panelDialog } from "./menu.js";
import { costText } from "./settings.js";

const SOURCES = {
  system: "Instructions",
  thread: "This conversation",
  current_thread: "This conversation",
  past_threads: "Earlier conversations",
  threads: "Earlier conversations",
  memory: "Memory",
  memories: "Memory",
  vault: "Facts",
  facts: "Facts",
  pins: "Pinned",
  summary: "Summary of what was before",
  attachments: "Files",
  tools: "Tools",
};

const sourceName = (source) => SOURCES[source] ?? String(source ?? "Other").replaceAll("_", " ");
const count = (value) => (value ?? 0).toLocaleString();

/** @param {object} view  the turn as REST shows it */
export async function openInsight(turnId, labelOf) {
  const { element } = panelDialog("About this answer", { wide: true });
  element.append(make("p", { className: "soft" }, "Loading…"));
  try {
    const [turn, context, trace] = await Promise.all([
      api.getTurn(turnId),
      api.optional(api.getContext(turnId)),
      api.optional(api.getTrace(turnId)),
    ]);
    element.replaceChildren(facts(turn, labelOf), ...(context ? [seen(context)] : []), ...(trace ? [steps(trace)] : []));
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
  const items = context.items ?? context.sources ?? [];
  const taken = items.filter((item) => item.taken ?? item.included ?? true);
  const cut = items.filter((item) => !(item.taken ?? item.included ?? true));
  const budget = context.budget_tokens ?? context.budget ?? context.context_tokens;
  const used = context.used_tokens ?? context.tokens;
  const head = budget ? `${count(used)} of ${count(budget)} tokens were used.` : "";
  return make(
    "section",
    { className: "insight" },
    make("h3", {}, "What the model saw"),
    head ? make("p", {}, head) : "",
    list(taken),
    cut.length ? make("h4", {}, "Left out") : "",
    cut.length ? list(cut) : "",
  );
}

function list(items) {
  if (!items.length) return make("p", { className: "soft" }, "Nothing.");
  return make("ul", { className: "insight-list" }, ...items.map(line));
}

function line(item) {
  const text = item.text ?? item.excerpt ?? item.preview ?? item.label ?? "";
  const head = make(
    "span",
    { className: "insight-head" },
    make("strong", {}, sourceName(item.source ?? item.kind)),
    make("small", {}, [item.tokens === undefined ? "" : `${count(item.tokens)} tokens`, item.reason ?? item.why ?? ""].filter(Boolean).join(" · ")),
  );
  return make("li", {}, head, text ? make("p", {}, text) : "");
}

function steps(trace) {
  const all = trace.steps ?? [];
  if (!all.length) return "";
  return make(
    "section",
    { className: "insight" },
    make("h3", {}, "Steps"),
    make("ol", { className: "insight-list" }, ...all.map(step)),
  );
}

function step({ kind, ms, attempt, detail }) {
  const head = make(
    "summary",
    {},
    make("strong", {}, String(kind).replaceAll(/[_.]/g, " ")),
    make("small", {}, [ms ? `${count(ms)} ms` : "", attempt > 1 ? `attempt ${attempt}` : ""].filter(Boolean).join(" · ")),
  );
  if (!detail || !Object.keys(detail).length) return make("li", { className: "step" }, ...head.childNodes);
  return make("li", { className: "step" }, make("details", {}, head, make("pre", { tabIndex: 0 }, JSON.stringify(detail, null, 2))));
}
