// One line that says how the connection is, only when there is something to say.

const CALM_MS = 1500; // a hiccup shorter than this is nobody's business

export class Banner {
  #calm = 0; // runs while a break may still turn out to be a hiccup
  #hide = 0;
  #saidOffline = false;

  /** @param {HTMLElement} element  a `role=status` line with a text and a button */
  constructor(element) {
    this.element = element;
    this.text = element.querySelector("[data-text]");
    this.button = element.querySelector("button");
  }

  /** @param {"online"|"offline"|"stopped"} state */
  show(state, reason = null) {
    if (state === "offline") {
      // Each failed try comes here again; the patience counts from the first.
      this.#calm ||= setTimeout(() => this.#offline(), CALM_MS);
      return;
    }
    clearTimeout(this.#calm);
    this.#calm = 0;
    if (state === "stopped") this.#say("error", stoppedText(reason), "Reload");
    else if (this.#saidOffline) this.#say("good", "Connected again.", "", 2500);
    this.#saidOffline = false;
  }

  #offline() {
    this.#saidOffline = true;
    this.#say("warning", "No connection. Trying again…", "Try now");
  }

  /** Show a passing problem that belongs to no message. */
  problem(text) {
    this.#say("error", text, "", 8000);
  }

  /** Say something that went well, or needs no action. */
  say(text) {
    this.#say("good", text, "", 5000);
  }

  #say(tone, text, action, forMs = 0) {
    clearTimeout(this.#hide);
    this.element.dataset.tone = tone;
    this.text.textContent = text;
    this.button.hidden = !action;
    this.button.textContent = action;
    this.element.hidden = false;
    if (forMs) this.#hide = setTimeout(() => (this.element.hidden = true), forMs);
  }
}

function stoppedText(reason) {
  if (reason === "signed-out") return "You have been signed out. Reload to sign in again.";
  if (reason === "unknown-host") return "This workspace does not exist any more.";
  return "The server refused the connection.";
}
