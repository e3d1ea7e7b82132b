// The messages of the open conversation as DOM: rows with keys, drawn again only where something
// changed, and only near what is read. Knows nothing of sockets or storage.

import { AnswerView } from "./answer.js";
import { make } from "./dom.js";
import { QuestionView } from "./question.js";

const FIRST_ROWS = 24; // drawn at once; the rest as the reader scrolls up
const MORE_ROWS = 16;

export class Thread {
  #views = new Map(); // row key → view with `root`
  #answers = new Map(); // turn id → AnswerView
  #pending = new Map(); // outbox ref → {view, entry}
  #rows = [];
  #from = 0; // first row that is drawn
  #lastKey = null;
  #shown = new WeakMap(); // view → what it was drawn from
  #names = 0; // counts changes of what models and people are called

  /**
   * @param {HTMLElement} element  the list of messages
   * @param {object} world  what the views ask: `turnOf`, `viewOf`, `labelOf`, `authorOf`, `can`
   */
  constructor(element, world) {
    this.element = element;
    this.world = world;
  }

  clear() {
    this.element.replaceChildren();
    this.#views.clear();
    this.#answers.clear();
    this.#pending.clear();
    this.#rows = [];
    this.#from = 0;
    this.#lastKey = null;
  }

  get empty() {
    return this.#rows.length === 0 && this.#pending.size === 0;
  }

  /** How many rows above are known but not drawn. */
  get hiddenAbove() {
    return this.#from;
  }

  get rows() {
    return this.#rows;
  }

  /** @returns the views of all answers that are drawn */
  get answers() {
    return [...this.#answers.values()];
  }

  /**
   * Show these rows (of `layout`) and what is on its way below them.
   *
   * @param {object[]} pending  `{entry, offline, accepted, onRetry, onWithdraw}`
   */
  show(rows, pending) {
    const first = this.#rows[this.#from]?.key;
    const fresh = this.#rows.length === 0;
    this.#rows = rows;
    const kept = rows.findIndex((row) => row.key === first);
    this.#from = fresh || kept < 0 ? Math.max(0, rows.length - FIRST_ROWS) : kept;
    this.#draw(pending);
  }

  /** Draw more of what is above. @returns whether there was more */
  reveal(count = MORE_ROWS) {
    if (this.#from === 0) return false;
    this.#from = Math.max(0, this.#from - count);
    this.#draw(null);
    return true;
  }

  /** Take away what was drawn far above the end; for a reader who is there. */
  trim() {
    const from = this.#rows.length - 2 * FIRST_ROWS;
    if (from <= this.#from) return;
    this.#from = from;
    this.#draw(null);
  }

  /** Draw up to a message and return its element; null if it is not on this branch. */
  find(messageId) {
    const index = this.#rows.findIndex(
      (row) => row.message.id === messageId || row.members?.some(({ id }) => id === messageId),
    );
    if (index < 0) return null;
    if (index < this.#from) {
      this.#from = Math.max(0, index - 4);
      this.#draw(null);
    }
    return this.element.querySelector(`[data-message="${CSS.escape(messageId)}"]`);
  }

  #draw(pending) {
    const wanted = [];
    const seen = new Set();
    this.#answers.clear();
    for (const row of this.#rows.slice(this.#from)) {
      const view = this.#viewOf(row);
      seen.add(row.key);
      wanted.push(view.root);
    }
    for (const key of [...this.#views.keys()]) if (!seen.has(key)) this.#views.delete(key);
    if (pending) this.#updatePending(pending);
    wanted.push(...[...this.#pending.values()].map(({ view }) => view.root));
    reconcile(this.element, wanted);
    this.#markLast();
  }

  #viewOf(row) {
    let view = this.#views.get(row.key) ?? this.#arrived(row.key);
    if (!view) {
      view = { question: () => new QuestionView(), answer: () => new AnswerView(row.message), group: () => new GroupView() }[row.kind]();
      this.#views.set(row.key, view);
    }
    const number = row.versions.findIndex((each) => each.includes(row.message)) + 1;
    const version = { number, count: row.versions.length };
    const from = [row.message, number, row.versions.length, this.#names, ...(row.members ?? [])];
    const before = this.#shown.get(view);
    const same = before?.length === from.length && from.every((each, index) => each === before[index]);
    this.#shown.set(view, from);
    if (row.kind === "group") {
      if (!same) view.update(row, this.world, version);
      for (const answer of view.answers) this.#answers.set(answer.message.turn_id, answer);
    } else {
      if (!same) view.update(row.message, this.world, version);
      if (row.kind === "answer") this.#answers.set(row.message.turn_id, view);
    }
    return view;
  }

  /** A message that was on its way is stored now: its element stays where it is. */
  #arrived(messageId) {
    for (const [ref, { view, entry }] of this.#pending) {
      if (entry.storedAs !== messageId) continue;
      this.#pending.delete(ref);
      view.arrived();
      this.#views.set(messageId, view);
      return view;
    }
    return null;
  }

  #updatePending(pending) {
    const refs = new Set(pending.map(({ entry }) => entry.ref));
    for (const ref of [...this.#pending.keys()]) if (!refs.has(ref)) this.#pending.delete(ref);
    for (const each of pending) {
      const ref = each.entry.ref;
      const view = this.#pending.get(ref)?.view ?? new QuestionView();
      this.#pending.set(ref, { view, entry: each.entry });
      view.updatePending(each.entry, each);
    }
  }

  #markLast() {
    const last = this.#rows.at(-1)?.key ?? null;
    if (last === this.#lastKey) return;
    this.#views.get(this.#lastKey)?.root.classList.remove("is-last");
    this.#views.get(last)?.root.classList.add("is-last");
    this.#lastKey = last;
  }

  /** A turn changed: only its answer is drawn again. */
  refreshTurn(turnId) {
    this.#answers.get(turnId)?.refresh();
  }

  /** Names of models or people changed. */
  refreshAll() {
    this.#names += 1;
    for (const row of this.#rows.slice(this.#from)) this.#viewOf(row);
  }

  answerOfTurn(turnId) {
    return this.#answers.get(turnId) ?? null;
  }

  answerOf(messageId) {
    return this.answers.find((view) => view.message.id === messageId) ?? null;
  }

  questionOf(messageId) {
    const view = this.#views.get(messageId);
    return view instanceof QuestionView ? view : null;
  }

  lastQuestion() {
    return this.#rows.filter((row) => row.kind === "question").at(-1)?.message ?? null;
  }
}

/** Put exactly these elements into `parent`, in order, moving as few as possible. */
function reconcile(parent, wanted) {
  const keep = new Set(wanted);
  for (const child of [...parent.children]) if (!keep.has(child)) child.remove();
  let at = parent.firstElementChild;
  for (const element of wanted) {
    if (element === at) at = at.nextElementSibling;
    else parent.insertBefore(element, at);
  }
}

/** Answers of several models to one question, in columns; on a phone one at a time. */
class GroupView {
  #views = new Map();
  #looking = null; // what a phone shows; looking at an answer does not choose it

  constructor() {
    this.tabs = make("div", { className: "group-tabs", ariaLabel: "Answers side by side" });
    this.tabs.setAttribute("role", "tablist");
    this.columns = make("div", { className: "group-columns" });
    this.root = make("section", { className: "group", ariaLabel: "Answers side by side" }, this.tabs, this.columns);
    this.tabs.addEventListener("keydown", (event) => this.#arrow(event));
    this.tabs.addEventListener("click", (event) => {
      const tab = event.target.closest("[role=tab]");
      if (tab) this.#lookAt(tab.dataset.choose);
    });
  }

  get answers() {
    return [...this.#views.values()];
  }

  update(row, world, version) {
    const chosen = row.message.id;
    if (chosen !== this.chosen) this.#looking = chosen;
    this.chosen = chosen;
    this.columns.style.setProperty("--columns", String(row.members.length));
    const roots = row.members.map((member) => {
      if (!this.#views.has(member.id)) this.#views.set(member.id, new AnswerView(member));
      const view = this.#views.get(member.id);
      view.update(member, world, member.id === chosen ? version : { number: 1, count: 1 });
      view.root.classList.add("is-column");
      view.root.classList.toggle("is-chosen", member.id === chosen);
      view.parts.choose.hidden = member.id === chosen;
      return view.root;
    });
    reconcile(this.columns, roots);
    this.#showTabs(row, world);
    this.#lookAt(this.#looking);
  }

  #lookAt(id) {
    this.#looking = id;
    for (const [each, { root }] of this.#views) root.classList.toggle("is-looked-at", each === id);
    for (const tab of this.tabs.children) {
      tab.setAttribute("aria-selected", String(tab.dataset.choose === id));
      tab.tabIndex = tab.dataset.choose === id ? 0 : -1;
    }
  }

  #showTabs(row, world) {
    const tabs = row.members.map((member) => {
      const known = [...this.tabs.children].find((tab) => tab.dataset.choose === member.id);
      const tab = known ?? make("button", { type: "button", dataset: { choose: member.id } });
      const label = world.labelOf(member.model);
      if (tab.textContent !== label) tab.textContent = label;
      tab.setAttribute("role", "tab");
      return tab;
    });
    reconcile(this.tabs, tabs);
  }

  #arrow(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const tabs = [...this.tabs.children];
    const next = tabs[tabs.indexOf(document.activeElement) + step];
    if (!next) return;
    event.preventDefault();
    next.focus();
    next.click();
  }
}
