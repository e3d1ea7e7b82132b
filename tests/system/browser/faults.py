"""What a page does to people who see little, or hear it: found by looking at every element."""

from playwright.sync_api import Page

_FAULTS = r"""
() => {
  const faults = [];
  const seen = new Set();
  for (const { id } of document.querySelectorAll("[id]")) {
    if (seen.has(id)) faults.push(`two elements are called #${id}`);
    seen.add(id);
  }
  const shown = (element) =>
    element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  const fields = "input:not([type=hidden]), select, textarea"; // what they hold does not name them
  const isNamed = (element) =>
    element.getAttribute("aria-label") ||
    (element.matches(fields)
      ? [...element.labels].some((label) => label.textContent.trim())
      : element.textContent.trim());
  for (const element of document.querySelectorAll(`${fields}, button, a[href], summary`)) {
    if (shown(element) && !isNamed(element))
      faults.push(`nothing names ${element.outerHTML.slice(0, 90)}`);
  }
  // Any colour as [red, green, blue, alpha], 0 to 255 and 0 to 1.
  const brush = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    brush.clearRect(0, 0, 1, 1);
    brush.fillStyle = colour;
    brush.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = brush.getImageData(0, 0, 1, 1).data;
    return [red, green, blue, alpha / 255];
  };
  const ground = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = rgba(getComputedStyle(each).backgroundColor);
      if (colour[3] > 0.99) return colour;
    }
    return [255, 255, 255, 1];
  };
  const light = ([red, green, blue]) => {
    const [r, g, b] = [red, green, blue].map((value) => {
      const share = value / 255;
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const passedOver = "svg, script, style, .visually-hidden, .skip-link, option";
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    if (!text || !shown(element) || element.closest(passedOver)) continue;
    const style = getComputedStyle(element);
    const [one, other] = [light(rgba(style.color)), light(ground(element))].sort((a, b) => b - a);
    const contrast = (one + 0.05) / (other + 0.05);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.6 && style.fontWeight >= 700);
    if (contrast < (isLarge ? 3 : 4.5))
      faults.push(`contrast ${contrast.toFixed(2)}: ${text.slice(0, 60)}`);
  }
  return faults;
}
"""


def faults_of(page: Page) -> list[str]:
    """Return ids given twice, controls without a name, and text that stands out too little."""
    found: list[str] = page.evaluate(_FAULTS)
    return found
