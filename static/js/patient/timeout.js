// Half an hour without use ends the sign-in. Two minutes before, ask; without scripts the server says afterwards that
// nothing was lost. Where there is no network, who goes on answering is not idle, and who does not is locked out here.

const idle = 1000 * (Number(document.body.dataset.idle) || 0);
const loaded = Date.now();
const lastUse = () => Math.max(loaded, line.heard ?? 0, questionnaire.copy?.active ?? 0);
const stay = () => fetch(`${root()}/home`, { method: "HEAD", redirect: "manual" }).catch(() => null);

// Asked for anew, never sent again: the server answers with the sign-in page.
async function leave() {
  if (questionnaire.copy && !(await stay())) return lock();
  await putAway();
  return location.replace(location.pathname + location.search);
}

function makeWarning(content) {
  const warning = content.firstElementChild.cloneNode(true);
  document.body.append(warning);
  warning.addEventListener("close", async () => {
    const answer = await stay();
    if (answer?.ok) line.heard = Date.now();
    else if (!answer && questionnaire.copy) questionnaire.copy.active = Date.now();
    else leave();
  });
  return warning;
}

const timeout = document.getElementById("timeout");
if (idle && timeout) {
  const warning = makeWarning(timeout.content);
  const look = () => {
    const left = idle - (Date.now() - lastUse());
    if (left <= 0) leave();
    else if (left <= 120_000 && !warning.open) warning.showModal();
  };
  setInterval(look, 5000);
  document.addEventListener("visibilitychange", look);
} else if (document.querySelector("[data-offline]")) {
  const look = () => questionnaire.copy && Date.now() - lastUse() > 1000 * questionnaire.copy.idle && lock();
  setInterval(look, 5000);
  document.addEventListener("visibilitychange", look);
}
