// After sending, once: the page can be put among the apps of the phone. Never on the clinic's tablet, never where it is
// an app already, and nothing is said where the browser cannot do it.

const offer = document.querySelector("[data-install]");
const isApp = navigator.standalone || matchMedia("(display-mode: standalone)").matches;
const isApple = /iPhone|iPad/.test(navigator.userAgent);

function show(part) {
  if (!offer.hidden) return;
  offer.querySelector(`[data-install-${part}]`).hidden = false;
  offer.hidden = false;
  // It has been seen, whatever is done about it.
  const form = offer.querySelector("form");
  fetch(form.action, { method: "POST", body: new FormData(form), redirect: "manual" }).catch(() => {});
}

if (offer && !isApp && document.body.dataset.clinic === undefined) {
  if (isApple) show("apple");
  let question;
  addEventListener("beforeinstallprompt", (event) => {
    event.preventDefault();
    question = event;
    show("prompt");
  });
  offer.querySelector("[data-install-now]").addEventListener("click", () => {
    question.prompt();
    offer.hidden = true;
  });
  offer.querySelector("[data-install-no]").addEventListener("click", () => {
    offer.hidden = true;
  });
}
