// The light/dark/system switch. `theme-init.js` applies the stored choice before the first paint.

const KEY = "karen.theme";
const ORDER = ["system", "light", "dark"];
const LABELS = { system: "Theme: like the system", light: "Theme: light", dark: "Theme: dark" };
const ICONS = { system: "monitor", light: "sun", dark: "moon" };

function stored() {
  try {
    const value = localStorage.getItem(KEY);
    return ORDER.includes(value) ? value : "system";
  } catch {
    return "system";
  }
}

function choose(theme) {
  const root = document.documentElement;
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  try {
    if (theme === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // The choice lasts as long as the page.
  }
}

function show(button, theme) {
  button.setAttribute("aria-label", LABELS[theme]);
  button.title = LABELS[theme];
  const use = button.querySelector("use");
  use.setAttribute("href", `${document.documentElement.dataset.icons}#${ICONS[theme]}`);
  const label = button.querySelector("[data-theme-label]");
  if (label) label.textContent = LABELS[theme];
}

for (const button of document.querySelectorAll("[data-theme-switch]")) {
  let theme = stored();
  show(button, theme);
  button.addEventListener("click", () => {
    theme = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length];
    choose(theme);
    show(button, theme);
  });
}
