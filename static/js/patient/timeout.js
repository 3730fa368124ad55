// Two minutes before the sign-in runs out, ask. Without scripts the server says afterwards that nothing was lost.
const idle = Number(document.body.dataset.idle);
const question = document.getElementById("timeout");
if (idle && question) {
  const warning = question.content.firstElementChild.cloneNode(true);
  document.body.append(warning);
  const loaded = Date.now();
  // While there is no network, who goes on answering is not idle.
  const last = () => Math.max(loaded, line.heard ?? 0, questionnaire.copy?.active ?? 0);
  const stay = () => fetch(`${root()}/home`, { method: "HEAD", redirect: "manual" }).catch(() => null);
  // Asked for anew, never sent again: the server answers with the sign-in page.
  const leave = async () => {
    if (questionnaire.copy && !(await stay())) lock();
    else location.replace(location.pathname + location.search);
  };
  warning.addEventListener("close", async () => {
    const answer = await stay();
    if (answer?.ok) line.heard = Date.now();
    else if (!answer && questionnaire.copy) questionnaire.copy.active = Date.now();
    else leave();
  });
  const look = () => {
    const left = idle * 1000 - (Date.now() - last());
    if (left <= 0) leave();
    else if (left <= 120_000 && !warning.open) warning.showModal();
  };
  setInterval(look, 5000);
  document.addEventListener("visibilitychange", look);
}
