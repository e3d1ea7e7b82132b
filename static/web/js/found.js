// Marks the words that were searched for in a message, without touching its elements.

const NAME = "found";
const MOST = 200;

/** Mark `words` inside `element` until the next search; browsers without the API mark nothing. */
export function highlightWords(element, words) {
  if (!globalThis.Highlight || !CSS.highlights) return;
  const wanted = words.toLocaleLowerCase().replaceAll(/["*]/g, " ").split(/\s+/).filter((word) => word.length > 1 && !word.startsWith("-"));
  const ranges = [];
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  while (walker.nextNode() && ranges.length < MOST) {
    const node = walker.currentNode;
    const text = node.data.toLocaleLowerCase();
    if (text.length !== node.length) continue; // lower case changed the places
    for (const word of wanted) {
      for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + word.length)) {
        const range = new Range();
        range.setStart(node, at);
        range.setEnd(node, at + word.length);
        ranges.push(range);
      }
    }
  }
  CSS.highlights.set(NAME, new Highlight(...ranges));
}
