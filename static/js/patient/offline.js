// What goes on around the questionnaire: the go-between is installed, the page without network says what is kept, and
// signing out asks first when something has not been sent.

if (document.body.dataset.idle && "serviceWorker" in navigator && !("clinic" in document.body.dataset)) {
  addEventListener("load", () => navigator.serviceWorker.register(`${root()}/sw.js`, { scope: `${root()}/` }).catch(() => {}));
}

async function tellWhatIsKept() {
  const page = document.querySelector("[data-offline]");
  if (!page || here) return;
  document.querySelector('main [data-at="waiting"]').hidden = !(await readKept()).length;
  const copies = (await readCopies()).filter((copy) => ifKnown(copy) && Date.now() - copy.active <= copy.idle * 1000);
  const latest = copies.sort((one, other) => other.active - one.active)[0];
  if (!latest || latest.sending) return;
  const way = document.querySelector('main [data-at="continue"]');
  way.hidden = false;
  way.querySelector("a").href = `${root()}/assessment/${latest.assessment}/review`;
}
tellWhatIsKept().catch(() => {});
addEventListener("online", () => document.querySelector("[data-offline]") && !here && location.reload());

// The first page tells how far one is: told anew when something has just arrived.
document.addEventListener("proapp:line", () => {
  const arrived = [...line.answers.values()].some((answer) => answer.done?.length);
  if (arrived && location.pathname === `${root()}/home`) location.reload();
});

// Somebody who is not signed in, with nothing waiting: no answer stays on the phone.
async function forget() {
  if (document.body.dataset.idle || document.querySelector("[data-offline]")) return;
  const waiting = new Set((await readKept()).map((entry) => entry.assessment));
  for (const copy of await readCopies()) if (!waiting.has(copy.assessment)) await dropCopy(copy.assessment);
}
forget().catch(() => {});

// Signing out empties the phone's store of what is her own: what waits goes first, and if it cannot, the patient decides.
// A store that cannot be read holds up nobody.
const waits = async () => (await soon(ownKept(), 3000).catch(() => [])).length;
let leaving = false;

document.addEventListener(
  "submit",
  async (event) => {
    const form = event.target;
    if (!form.matches('form[action$="/sign-out"]') || form.dataset.sure) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (leaving) return;
    leaving = true;
    await keepChosen().catch(() => {});
    if (await waits()) await Promise.race([bring(), moment(5000)]);
    const ask = document.getElementById("view-unsent");
    if (ask && (await waits())) {
      const dialog = ask.content.firstElementChild.cloneNode(true);
      document.body.append(dialog);
      dialog.addEventListener("close", () => dialog.remove() || (dialog.returnValue === "leave" && leaveNow(form)));
      dialog.showModal();
    } else await leaveNow(form);
    leaving = false;
  },
  true,
);

async function leaveNow(form) {
  await soon(dropOwn(), 3000).catch(() => {});
  await moment(0); // while a form is being sent it is not sent again
  form.dataset.sure = "yes";
  form.requestSubmit();
}
