// Conveniences of the patient's pages. Every page does its whole job without them.

// The printed code travels behind "#", where no server log sees it: put it into its field, and out of the address bar.
function takePrintedCode() {
  const printed = decodeURIComponent(location.hash.slice(1));
  if (!/^[A-Za-z0-9 -]{12,20}$/.test(printed)) return;
  const field = document.querySelector("[data-code]");
  const elsewhere = document.querySelector("[data-code-page]");
  if (field) {
    field.value = grouped(printed);
    history.replaceState(null, "", location.pathname + location.search);
  } else if (elsewhere) {
    location.replace(`${elsewhere.dataset.codePage}#${printed}`);
  }
}
takePrintedCode();
addEventListener("hashchange", takePrintedCode); // a second sheet scanned while the page is open

function grouped(text) {
  const signs = text.toUpperCase().replace(/[^A-Z0-9]/g, "");
  return (signs.match(/.{1,4}/g) || []).join(" ");
}

// Show the code in groups of four as it is typed, unless the cursor is in the middle of it.
document.querySelector("[data-code]")?.addEventListener("input", ({ target, inputType }) => {
  if (target.selectionStart === target.value.length && !inputType?.startsWith("delete")) {
    target.value = grouped(target.value);
  }
});

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

// Two minutes before the sign-in runs out, ask. Without scripts the server says afterwards that nothing was lost.
const idle = Number(document.body.dataset.idle);
const question = document.getElementById("timeout");
if (idle && question) {
  const warning = question.content.firstElementChild.cloneNode(true);
  document.body.append(warning);
  let last = Date.now();
  // Asked for anew, never sent again: the server answers with the sign-in page.
  const leave = () => location.replace(location.pathname + location.search);
  warning.addEventListener("close", async () => {
    const answer = await fetch("/home", { method: "HEAD", redirect: "manual" }).catch(() => null);
    if (answer?.ok) last = Date.now();
    else leave();
  });
  const look = () => {
    const left = idle * 1000 - (Date.now() - last);
    if (left <= 0) leave();
    else if (left <= 120_000 && !warning.open) warning.showModal();
  };
  setInterval(look, 5000);
  document.addEventListener("visibilitychange", look);
}
