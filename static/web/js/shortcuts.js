// The keyboard. The help dialog lists the same keys; the two are compared by a browser test.

const typing = (target) =>
  target.isContentEditable || /^(?:INPUT|TEXTAREA|SELECT)$/.test(target.tagName);

/** @param {Record<"newChat"|"search"|"sidebar"|"compose"|"stop"|"help", () => boolean|void>} actions */
export function listen(actions) {
  document.addEventListener("keydown", (event) => {
    if (event.isComposing || document.querySelector("dialog[open]")) return;
    const action = actionOf(event);
    if (!action) return;
    if (actions[action]() !== false) event.preventDefault();
  });
}

/** Apple's keyboards have a Command key where the help says Ctrl. */
export function nameKeys(help) {
  if (!/^(?:Mac|iP)/.test(navigator.platform)) return;
  for (const key of help.querySelectorAll("kbd")) if (key.textContent === "Ctrl") key.textContent = "⌘";
}

function actionOf(event) {
  const command = event.ctrlKey || event.metaKey;
  const key = event.key.toLowerCase();
  if (command && event.shiftKey && key === "o") return "newChat";
  if (command && event.shiftKey && key === "s") return "sidebar";
  if (command && !event.shiftKey && key === "k") return "search";
  if (key === "escape") return "stop";
  if (command || event.altKey || typing(event.target)) return null;
  if (key === "/") return "compose";
  if (key === "?") return "help";
  return null;
}
