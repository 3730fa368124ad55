// The line to the clinic: brings what is kept, in its order, and keeps trying. Nothing depends on background sync.
//
// Listeners hear `proapp:line` on the document, with what is known: `state` is saved (nothing is waiting), waiting (under
// way for the first time), kept (could not be brought yet) or signin (the sign-in has ended); `answers` holds what the
// server said, by assessment, or "none" where it knows of no such questionnaire of hers.

const line = { state: "saved", answers: new Map(), token: "", failures: 0, timer: 0, running: null, again: null };
const CALM_RETRY = [2, 4, 8, 15, 30, 60]; // seconds

const patience = (milliseconds = 20_000) => AbortSignal.timeout?.(milliseconds); // older phones wait as long as they do

function tell() {
  document.dispatchEvent(new CustomEvent("proapp:line"));
}

// The form token: of this page, or of the copy fetched last.
const formToken = () => line.token || document.querySelector("input[name=csrf_token]")?.value || "";

// Bring everything, and ask what others did to the questionnaires `also`; resolves when that is done or has failed. Asked
// for while it runs, it runs once more afterwards.
function bring(also = []) {
  if (line.running) {
    line.again = [...(line.again || []), ...also];
    return line.running;
  }
  line.running = bringAll(also)
    .catch(() => {}) // the store cannot be read: nothing is known, so nothing is told
    .finally(() => {
      const { again } = line;
      line.running = line.again = null;
      if (again) bring(again);
    });
  return line.running;
}

async function bringAll(also) {
  clearTimeout(line.timer);
  const waiting = await ownKept();
  if (waiting.length && line.state === "saved") line.state = "waiting";
  let state = "saved";
  for (const assessment of new Set([...waiting.map((entry) => entry.assessment), ...also])) {
    const outcome = await bringOne(assessment);
    if (outcome === "none") line.answers.set(assessment, outcome);
    if (outcome === "kept" || (outcome === "signin" && state !== "kept")) state = outcome;
  }
  line.state = state;
  line.failures = state === "kept" ? line.failures + 1 : 0;
  if (state === "kept") {
    line.lasting ??= navigator.storage?.persist?.(); // asked once, and only where something has to stay
    line.timer = setTimeout(bring, CALM_RETRY[Math.min(line.failures, CALM_RETRY.length) - 1] * 1000);
  }
  tell();
}

// saved, kept, signin, or none: then what is kept waits on, for the person whose it is.
async function bringOne(assessment) {
  for (let turn = 0; turn < 50; turn += 1) {
    const kept = (await ownKept()).filter((entry) => entry.assessment === assessment).slice(0, 50);
    const copy = await readCopy(assessment);
    const answer = await post(assessment, kept, copy);
    if (typeof answer === "string") return answer;
    await settle(assessment, kept, answer);
    answer.conflicts += line.answers.get(assessment)?.conflicts || 0;
    line.answers.set(assessment, answer);
    if (kept.length < 50) return "saved";
  }
  return "kept";
}

async function post(assessment, kept, copy, again = false) {
  const entries = kept.map(({ number, assessment: _assessment, owner: _owner, ...entry }) => entry);
  const body = { device: await deviceSign(), now: Date.now(), offset: copy?.offset ?? null, known: copy?.known ?? 0, entries };
  let response;
  try {
    response = await fetch(`${root()}/assessment/${assessment}/kept`, {
      method: "POST",
      redirect: "manual",
      headers: { "Content-Type": "application/json", "X-CSRFToken": formToken() },
      body: JSON.stringify(body),
      signal: patience(),
    });
  } catch {
    return "kept";
  }
  if (response.type === "opaqueredirect") return "signin";
  if (response.status === 400 && !again) {
    // The form token is of an earlier sign-in: with a fresh one it goes.
    const fresh = await fetchCopy(assessment);
    return fresh ? post(assessment, kept, copy, true) : line.why;
  }
  if (response.status === 404 || response.status === 409) return "none";
  if (!response.ok) return "kept";
  line.heard = Date.now();
  return response.json().catch(() => "kept");
}

// What the clinic has need not be kept; what others answered meanwhile is known from now on.
async function settle(assessment, kept, answer) {
  const over = new Set([...answer.done, ...Object.keys(answer.refused)]);
  await dropKept(kept.filter((entry) => over.has(entry.id)).map((entry) => entry.number));
  // The first page says so (differs.js), wherever this was.
  if (answer.conflicts || Object.keys(answer.refused).length) localStorage.setItem(`differs ${owner()}`, "yes");
  if (answer.sent) {
    await dropCopy(assessment);
    return;
  }
  const waiting = new Set(
    (await readKept()).filter((entry) => entry.assessment === assessment).map((entry) => `${entry.instrument}.${entry.item}`),
  );
  await changeCopy(assessment, (copy) => {
    for (const [step, given] of Object.entries(answer.elsewhere)) if (!waiting.has(step)) copy.given[step] = given;
    copy.known = answer.known;
  });
}

// The whole questionnaire, fetched and kept; null when it cannot be had now. What waits here is laid over it.
async function fetchCopy(assessment) {
  const asked = Date.now();
  let copy;
  try {
    const response = await fetch(`${root()}/assessment/${assessment}/copy`, {
      redirect: "manual",
      signal: patience(),
    });
    line.why = response.type === "opaqueredirect" ? "signin" : "kept";
    if (!response.ok) return null;
    copy = await response.json();
  } catch {
    line.why = "kept";
    return null;
  }
  if (!ifKnown(copy)) return null;
  line.token = copy.csrf;
  line.heard = Date.now();
  copy.offset = Math.round(((asked + Date.now()) / 2 - copy.now) / 1000);
  copy.active = Date.now();
  for (const entry of await ownKept().catch(() => [])) {
    if (entry.assessment !== assessment) continue;
    if (entry.kind === "send") copy.sending = true;
    else copy.given[`${entry.instrument}.${entry.item}`] = [entry.kind, entry.answer === null ? null : Number(entry.answer)];
  }
  if (!copy.sent) await writeCopy(copy).catch(() => {}); // a full store: then this page goes on from memory
  return copy;
}

// Where the application begins; it may live below a folder.
function root() {
  return document.body.dataset.root || "";
}

if (document.body.dataset.idle) bring();
addEventListener("online", () => bring());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && line.state !== "saved") bring();
});
