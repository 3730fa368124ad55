// The clinic's tablet: asks before it closes, and lets go when the phone has taken over. Nothing is stored here, and every
// page does its whole job without this.

const root = document.body.dataset.root;
const leave = () => location.replace(`${root}/tablet`);
// Any answer but "yes" (also a redirect, which is not followed) means that the session is over.
const isAwake = async () => {
  const answer = await fetch(`${root}/tablet/awake`, { redirect: "manual" }).catch(() => null);
  return answer === null ? null : answer.ok;
};

// While the square is shown: has a phone gone on with the questionnaire? Asked for as long as the square works.
if (document.querySelector("[data-waits-for-phone]")) {
  const until = Date.now() + 15 * 60_000;
  const ask = async () => {
    if ((await isAwake()) === false) leave();
    else if (Date.now() < until) setTimeout(ask, 3000);
  };
  setTimeout(ask, 3000);
}

const idle = Number(document.body.dataset.clinic);
const question = document.getElementById("tablet-timeout");
if (idle && question) {
  const warning = question.content.firstElementChild.cloneNode(true);
  document.body.append(warning);
  let last = Date.now();
  warning.addEventListener("close", async () => {
    if ((await isAwake()) === false) leave();
    else last = Date.now();
  });
  const look = () => {
    const left = idle * 1000 - (Date.now() - last);
    if (left <= 0) leave();
    else if (left <= 120_000 && !warning.open) warning.showModal();
  };
  setInterval(look, 5000);
  document.addEventListener("visibilitychange", look);
}
