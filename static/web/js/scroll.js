// Keeps the newest words in sight, but only for those who are already at the bottom.

const NEAR = 48; // px from the end that still count as "at the bottom"

export class StickyScroll {
  #stuck = true;
  #top = 0; // where the view was when last looked at
  #height = 0;

  /**
   * @param {HTMLElement} scroller
   * @param {HTMLElement} content
   * @param {HTMLButtonElement} jump  shown while the reader is further up
   */
  constructor(scroller, content, jump) {
    this.scroller = scroller;
    this.jump = jump;
    scroller.addEventListener("scroll", () => this.#measure(), { passive: true });
    // Upward intent counts at once; the scroll event may arrive after the next words.
    scroller.addEventListener("wheel", (e) => e.deltaY < 0 && this.#release(), { passive: true });
    jump.addEventListener("click", () => this.toEnd());
    new ResizeObserver(() => this.#follow()).observe(content);
    new ResizeObserver(() => this.#follow()).observe(scroller);
  }

  toEnd() {
    this.#stuck = true;
    this.#follow();
  }

  /** Stay here, whatever comes below. */
  hold() {
    this.#stuck = false;
    this.#follow();
  }

  /** Bring an element to the middle, and stay there. */
  center(element) {
    const view = this.scroller.getBoundingClientRect();
    const box = element.getBoundingClientRect();
    const above = Math.max(16, (view.height - box.height) / 2);
    this.#stuck = false;
    this.scroller.scrollTop += box.top - view.top - above;
    this.#follow();
  }

  get #distance() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    return scrollHeight - scrollTop - clientHeight;
  }

  #release() {
    if (this.scroller.scrollHeight > this.scroller.clientHeight) this.#stuck = false;
  }

  #measure() {
    const { scrollTop, scrollHeight } = this.scroller;
    // Content that shrank moves the view as well; only a reader moves it up in the same content.
    const byReader = scrollTop < this.#top && scrollHeight === this.#height;
    if (this.#distance <= NEAR) this.#stuck = true;
    else if (byReader) this.#stuck = false;
    this.#follow();
  }

  #follow() {
    if (this.#stuck) this.scroller.scrollTop = this.scroller.scrollHeight;
    this.#top = this.scroller.scrollTop;
    this.#height = this.scroller.scrollHeight;
    this.jump.hidden = this.#stuck || this.#distance <= NEAR;
  }
}
