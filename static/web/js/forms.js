// Small comforts of the public forms: the address follows the organisation's name until it was
// changed by hand, and a form is sent once.

const organisation = document.getElementById("id_organisation");
const address = () => document.getElementById("id_slug"); // htmx replaces it

if (organisation && address()) {
  let own = address().closest(".has-error") !== null;
  document.addEventListener("input", ({ target }) => {
    if (target === address()) own = target.value !== "";
  });
  // htmx asks for the address as one types; say no once the reader chose one.
  organisation.addEventListener("htmx:confirm", (event) => own && event.preventDefault());
}

for (const form of document.querySelectorAll("form[data-once]")) {
  const button = form.querySelector("button:not([type=button])");
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
    button.setAttribute("aria-disabled", "true");
  });
  // Coming back with the browser's button shows the page as it was left.
  addEventListener("pageshow", () => {
    delete form.dataset.sent;
    button.removeAttribute("aria-disabled");
  });
}

document.querySelector("[aria-invalid=true]")?.focus();
