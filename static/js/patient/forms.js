// Conveniences of the patient's pages. Every page does its whole job without them.

// Some browsers leave the focus at the top although a message asks for it.
document.querySelector("main [autofocus]")?.focus();

// A second tap while the first is on its way is no second answer.
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) {
    event.preventDefault();
    return;
  }
  if (event.target.method === "dialog") return;
  event.target.dataset.sent = "yes";
  event.submitter?.setAttribute("aria-disabled", "true");
});
// A page that comes back with the browser's own Back button starts afresh.
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  for (const button of document.querySelectorAll('[aria-disabled="true"]')) button.removeAttribute("aria-disabled");
});
