// Answering without waiting for the network. Once the questionnaire is here, every item is shown by this script from what
// the phone keeps; each answer goes to the phone's own store first and then to the clinic. The pages of the server do
// the same, one by one, for browsers that cannot.

const here = location.pathname.slice(root().length).match(/^\/assessment\/(\d+)\/(review|[a-z][a-z0-9]*\/\d+)$/);
const questionnaire = { copy: null, ready: null, place: null, chosen: false };

const parts = document.getElementById("parts"); // not on a clinic's tablet

if (here && parts) begin(Number(here[1]));

function begin(assessment) {
  questionnaire.assessment = assessment;
  questionnaire.base = `${root()}/assessment/${assessment}`;
  document.addEventListener("submit", onSubmit, true);
  document.addEventListener("click", onClick);
  document.addEventListener("change", () => (questionnaire.chosen = true));
  document.addEventListener("proapp:line", onLine);
  document.addEventListener("visibilitychange", () => !document.hidden && questionnaire.copy && bring([assessment]));
  addEventListener("popstate", () => questionnaire.copy && leaveQuestion(() => show(placeOf(location))));
  questionnaire.place = placeOf(location);
  questionnaire.ready = load(assessment);
}

// What the phone has is shown where the clinic does not answer soon; what the clinic says is newer. `told`: something
// has arrived there that the page does not know of.
async function load(assessment, told) {
  questionnaire.told = null;
  const alone = Boolean(document.querySelector("[data-offline]"));
  const stored = await readCopy(assessment).catch(() => undefined);
  const fresh = alone && stored ? null : await Promise.race([fetchCopy(assessment), ...(stored ? [moment(3000)] : [])]);
  if (questionnaire.told) return load(assessment, true); // the copy may be from before
  questionnaire.told = false;
  const copy = fresh || stored;
  if (!copy) return void (told && location.reload()); // what the page says by itself holds
  if (copy.sent) {
    if (fresh && (alone || told)) location.replace(`${questionnaire.base}/sent`);
    return;
  }
  if (!fresh && Date.now() - copy.active > copy.idle * 1000) {
    showView("locked");
    return;
  }
  questionnaire.copy = copy;
  const changed = told || (await waitsHere());
  if (alone || copy.sending || (changed && !questionnaire.chosen)) show(questionnaire.place);
  bring();
}

// --- places -----------------------------------------------------------------------------------------------------------

// {step: "c30.12" or null for the list, back: whether it was reached from the list}
function placeOf({ pathname, search }) {
  const found = pathname.slice(questionnaire.base.length).match(/^\/(?:review|([a-z][a-z0-9]*)\/(\d+))$/);
  if (!pathname.startsWith(questionnaire.base) || !found) return null;
  return { step: found[1] ? `${found[1]}.${found[2]}` : null, back: search === "?back=review" };
}

const addressOf = ({ step, back }) =>
  step ? `${questionnaire.base}/${step.replace(".", "/")}${back ? "?back=review" : ""}` : `${questionnaire.base}/review`;

function go(place) {
  history.pushState(null, "", addressOf(place));
  show(place);
}

// Every item in printed order, with its part and its position there.
function allItems() {
  return questionnaire.copy.parts.flatMap((part, number) =>
    part.items.map(([item, choices, recall, gate, text, short], position) => {
      return { item, choices, recall, gate, text, short, part, number, position, step: `${part.code}.${item}` };
    }),
  );
}

const codeOf = (step) => {
  const given = questionnaire.copy.given[step];
  return given?.[0] === "answered" ? given[1] : null;
};

// The items that are asked, given the answers so far: the same rule as instruments/answers.py and services/sitting.py.
function asked() {
  const state = new Map();
  return allItems().filter((item) => {
    let here = "asked";
    if (item.gate) {
      const [number, above] = item.gate;
      const step = `${item.part.code}.${number}`;
      const code = codeOf(step);
      if (state.get(step) === "not_applicable" || (code !== null && code <= above)) here = "not_applicable";
      else if (code === null) here = "not_asked";
    }
    state.set(item.step, here);
    return here === "asked" || (here === "not_asked" && codeOf(item.step) !== null);
  });
}

function following(step, direction) {
  const all = allItems().map((item) => item.step);
  const place = all.indexOf(step);
  const order = direction > 0 ? asked() : asked().reverse();
  return order.find((item) => (all.indexOf(item.step) - place) * direction > 0)?.step ?? null;
}

// --- showing ----------------------------------------------------------------------------------------------------------

const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_all, name) => values[name]);
const template = (name) => document.getElementById(`view-${name}`).content.cloneNode(true);

function showView(name, title) {
  const view = template(name);
  document.getElementById("main").replaceChildren(view);
  const main = document.getElementById("main");
  const heading = main.querySelector("h1");
  for (const link of main.querySelectorAll("a[data-home]")) link.href = `${root()}/home`;
  for (const number of main.querySelectorAll("[data-phone]")) telephone(number.closest("a"), number);
  if (title || heading) {
    document.title = fill(parts.dataset.title, { title: title || heading.textContent });
  }
  scrollTo(0, 0);
  return main;
}

// The page of a person names the clinic below; one that the phone made up by itself names none.
function telephone(link, number = link) {
  const phone = questionnaire.copy?.phone;
  const below = document.querySelector(".foot p.call a");
  link.hidden = !phone && !below;
  link.href = phone ? `tel:${phone.dial}` : below?.href;
  number.textContent = phone ? phone.shown : below?.textContent;
}

function show(place, more = {}) {
  questionnaire.place = place;
  questionnaire.chosen = false;
  if (!place) location.reload();
  else if (questionnaire.copy.sending) showView("kept").querySelector("h1").focus();
  else if (place.step === null) showReview(more);
  else showQuestion(place, more);
}

// Part 1 of 3 · Question 12 of 30
function placeIn(item) {
  const { parts: all, words } = questionnaire.copy;
  const place = { number: item.position + 1, total: item.part.items.length, part: item.number + 1, parts: all.length };
  return fill(words.place, place);
}

function showQuestion({ step, back }, { prompt = false, note = "" }) {
  const { copy } = questionnaire;
  const item = asked().find((one) => one.step === step);
  if (!item) {
    go({ step: following(step, 1), back: false }); // behind a gate that has closed meanwhile
    return;
  }
  const { part } = item;
  const placeWords = placeIn(item);
  const main = showView("question", prompt ? `${copy.words.not_answered_yet} ${placeWords}` : placeWords);
  const at = (name) => main.querySelector(`[data-at="${name}"]`);
  const put = (name, text) => {
    at(name).textContent = text;
    at(name).hidden = !text;
  };
  const before = following(step, -1);
  const link = at("back");
  link.href = back ? addressOf({ step: null }) : before ? addressOf({ step: before }) : `${root()}/home`;
  at("back-words").textContent = back ? copy.words.to_list : before ? copy.words.back : copy.words.to_first;
  put("place", placeWords);
  const all = allItems();
  const progress = main.querySelector("progress");
  progress.max = all.length;
  progress.value = all.findIndex((one) => one.step === step);
  put("introduction", item.position === 0 ? part.introduction : "");
  at("introduction").lang = at("legend").lang = at("choices").lang = part.lang;
  put("recall", item.recall ? part.recalls[item.recall] : "");
  put("text", item.text);
  put("notice", part.notice);
  at("notice").lang = part.lang;
  main.querySelector("form").action = addressOf({ step, back });
  fillChoices(at("choices"), at("ends"), part, part.choices[item.choices], codeOf(step), copy.given[step]);
  const answered = codeOf(step) !== null;
  at("clear").hidden = !answered;
  at("skip").hidden = answered || prompt;
  at("prompt").hidden = !prompt;
  at("choose").href = `#answer-${part.choices[item.choices].options[0][0]}`;
  say(note || statusWords());
  (prompt ? at("prompt") : at("text")).focus();
  document.dispatchEvent(new CustomEvent("proapp:question"));
}

function fillChoices(place, ends, part, choices, chosen) {
  place.className = choices.layout;
  for (const [code, label] of choices.options) {
    const choice = template(choices.layout).firstElementChild;
    const radio = choice.querySelector("input");
    choice.htmlFor = radio.id = `answer-${code}`;
    radio.value = code;
    radio.defaultChecked = radio.checked = code === chosen;
    const number = choice.querySelector("b");
    if (number) number.textContent = code;
    choice.querySelector("span").textContent = label;
    if (!label) choice.querySelector("span").remove();
    place.append(choice);
  }
  ends.hidden = choices.layout !== "tiles";
  ends.lang = part.lang;
  ends.firstElementChild.textContent = choices.options[0][1];
  ends.lastElementChild.textContent = choices.options.at(-1)[1];
}

function showReview({ note }) {
  const { copy } = questionnaire;
  const main = showView("review");
  const at = (name) => main.querySelector(`[data-at="${name}"]`);
  const items = asked();
  const missing = items.filter((item) => codeOf(item.step) === null);
  const none = missing.length === items.length;
  at("back").href = addressOf({ step: items.at(-1).step });
  at("none").hidden = !none;
  at("decline").href = `${questionnaire.base}/decline`;
  at("missing").hidden = !missing.length;
  at("missing-heading").textContent = fill(copy.words.missing, { number: missing.length });
  at("may-leave").hidden = none;
  at("missing-list").replaceChildren(...missing.map((item) => row("missing-row", item)));
  at("missing-fold").open = missing.length <= 8;
  for (const form of main.querySelectorAll("form.send")) form.hidden = none;
  for (const [number, part] of copy.parts.entries()) {
    const section = template("part").firstElementChild;
    const heading = section.querySelector("h2");
    heading.textContent = fill(copy.words.heading, { part: number + 1, title: part.title });
    heading.lang = part.lang;
    heading.id = `part-${number}`;
    section.setAttribute("aria-labelledby", `part-${number}`);
    const rows = items.filter((item) => item.part === part).map((item) => row("row", item));
    section.querySelector("ul").replaceChildren(...rows);
    section.querySelector(".notice").textContent = part.notice;
    section.querySelector(".notice").lang = part.lang;
    section.querySelector(".notice").hidden = !part.notice;
    at("parts").append(section);
  }
  say(note || statusWords());
  main.querySelector("h1").focus();
}

function row(kind, item) {
  const { words } = questionnaire.copy;
  const made = template(kind).firstElementChild;
  const text = made.querySelector(".asked");
  text.textContent = item.short;
  text.lang = item.part.lang;
  const answer = made.querySelector("strong");
  const code = codeOf(item.step);
  if (answer) {
    answer.textContent = code === null ? words.not_answered : answerWords(item, code);
    answer.classList.toggle("none", code === null);
    if (code !== null) answer.lang = item.part.lang;
  }
  const link = made.querySelector("a");
  link.href = addressOf({ step: item.step, back: true });
  link.firstChild.textContent = code === null ? words.answer_it : words.change;
  const what = link.querySelector(".vh");
  what.textContent = `: ${item.short}`;
  what.lang = item.part.lang;
  return made;
}

function answerWords(item, code) {
  const { layout, options } = item.part.choices[item.choices];
  const label = options.find(([one]) => one === code)[1];
  if (layout === "list") return label;
  const number = fill(questionnaire.copy.words.scale, { code, highest: options.at(-1)[0] });
  return label ? `${number} (${label})` : number;
}

// --- doing ------------------------------------------------------------------------------------------------------------

// What was done, as it waits in the phone's store: in the language of the words on the page, and with what this phone knew
// then of its clock and of others.
async function entryOf(kind, step, answer) {
  const { assessment, copy } = questionnaire;
  const known = { offset: copy?.offset ?? null, known: copy?.known ?? null };
  const entry = { assessment, owner: owner(), kind, at: Date.now(), ...known };
  if (step) {
    const [instrument, item] = step.split(".");
    const { lang } = document.querySelector("[data-at=choices]");
    Object.assign(entry, { instrument, item: Number(item), answer, language: lang });
  }
  entry.id = `${await deviceSign()}-${crypto.randomUUID().slice(0, 23)}`;
  return entry;
}

// Into the phone's store, with what the questionnaire then says, and on its way to the clinic.
async function keep(kind, step, answer = null) {
  const { copy } = questionnaire;
  const entry = await entryOf(kind, step, answer);
  const change = (one) => {
    one.active = entry.at;
    if (kind === "send") one.sending = true;
    else one.given[step] = [kind, answer === null ? null : Number(answer)];
  };
  const changed = await changeCopy(copy.assessment, change, entry);
  if (!changed) change(copy); // dropped by another page meanwhile; this one goes on
  questionnaire.copy = changed || copy;
  if (line.state === "saved") line.state = "waiting";
}

// What is chosen and not continued with is an answer too, whatever takes its page away.
async function keepChosen() {
  const step = questionnaire.copy && questionnaire.place?.step;
  const answer = document.getElementById("q")?.elements.answer?.value;
  if (step && answer && String(codeOf(step)) !== answer) await keep("answered", step, answer);
}

async function leaveQuestion(then) {
  await keepChosen().catch(() => {});
  bring();
  then();
}

async function onSubmit(event) {
  const form = event.target;
  const isQuestion = form.id === "q" || form.action.endsWith("/language");
  if (!isQuestion && !form.classList.contains("send")) return;
  if (!questionnaire.place) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (questionnaire.busy) return; // a second tap while the first is being kept
  questionnaire.busy = true;
  const { submitter } = event;
  try {
    await Promise.race([questionnaire.ready, moment(4000)]);
    if (!questionnaire.copy) await otherwise(form, submitter);
    else await (isQuestion ? act(submitter) : send());
  } catch {
    await otherwise(form, submitter);
  } finally {
    questionnaire.busy = false;
  }
}

async function act(submitter) {
  const { place } = questionnaire;
  const answer = document.getElementById("q")?.elements.answer?.value || null; // the list has none
  const todo = submitter?.name === "language" ? "language" : submitter?.value || "save";
  if (todo === "skip" || todo === "clear") await keep(todo === "skip" ? "skipped" : "cleared", place.step);
  else if (answer !== null && String(codeOf(place.step)) !== answer) await keep("answered", place.step, answer);
  else if (answer === null && todo === "save") return show(place, { prompt: true });
  const brought = bring();
  if (todo === "clear") return show(place, { note: questionnaire.copy.words.cleared });
  if (todo === "pause") return leaveFor(`${root()}/home`, brought);
  if (todo === "language") return changeLanguage(submitter.value, brought);
  if (todo === "look") return toTextSize(brought);
  return go({ step: place.back ? null : following(place.step, 1), back: false });
}

async function send() {
  if (!questionnaire.copy.sending) await keep("send", null);
  show(questionnaire.place);
  await bring();
}

// Give what is under way a moment, then go: what is kept goes on from the next page.
const moment = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function leaveFor(address, brought) {
  await Promise.race([brought, moment(3000)]);
  location.assign(address);
}

// What the clinic's server has to make anew needs it; an answer that was chosen is kept all the same.
async function reached(brought) {
  await Promise.race([brought, moment(3000)]);
  if (line.state !== "saved") say(parts.dataset.network);
  return line.state === "saved";
}

async function toTextSize(brought) {
  const next = encodeURIComponent(location.pathname + location.search);
  if (await reached(brought)) location.assign(`${root()}/look?next=${next}`);
}

async function changeLanguage(language, brought) {
  if (!(await reached(brought))) return;
  const form = document.createElement("form");
  form.method = "post";
  form.action = `${root()}/language`;
  form.append(hidden("language", language), hidden("next", location.pathname + location.search));
  document.body.append(form);
  goNative(form);
}

const hidden = (name, value) => Object.assign(document.createElement("input"), { type: "hidden", name, value });

function goNative(form, submitter) {
  if (submitter?.name) form.append(hidden(submitter.name, submitter.value));
  if (!form.elements.csrf_token) form.append(hidden("csrf_token", ""));
  form.elements.csrf_token.value ||= formToken();
  form.submit();
}

const reach = () =>
  fetch(`${root()}/offline/${document.documentElement.lang}`, { method: "HEAD", signal: patience(6000) }).catch(() => null);

const waitsHere = async () => (await ownKept().catch(() => [])).some((one) => one.assessment === questionnaire.assessment);

// The questionnaire is not here, or the phone's store is full or broken: page by page, if the clinic can be reached and
// nothing waits that must not be overtaken. Else what was done waits here; and if that fails too, there is the telephone.
async function otherwise(form, submitter) {
  if ((await reach())?.ok) {
    await bring();
    if (!(await waitsHere())) return goNative(form, submitter);
  }
  const done = doneWith(form, submitter);
  if (!done) return say(parts.dataset.network);
  try {
    const entry = await entryOf(...done);
    await inStore("readwrite", (_copies, kept) => void kept.add(entry));
    questionnaire.chosen = false;
    say(parts.dataset.kept);
    bring();
  } catch {
    const status = say(`${parts.dataset.failed} `);
    const call = document.createElement("a");
    telephone(call);
    status.append(call);
    status.classList.add("failed");
  }
}

// [kind, step, answer], or null where a button only leads elsewhere.
function doneWith(form, submitter) {
  const { step } = questionnaire.place;
  const answer = document.getElementById("q")?.elements.answer?.value;
  if (form.classList.contains("send")) return ["send", null, null];
  if (submitter?.value === "skip") return ["skipped", step, null];
  if (submitter?.value === "clear") return ["cleared", step, null];
  return answer ? ["answered", step, answer] : null;
}

function onClick(event) {
  // On the list the buttons of the language belong to the form of a question that is gone.
  const button = event.target.closest("button[name=language]");
  if (button && !button.form && questionnaire.copy) act(button);
  // Made for the page that the server sent: it leads back there, and not to where the phone has gone on to.
  if (event.target.closest("header .letters") && questionnaire.copy && questionnaire.place) {
    event.preventDefault();
    act({ value: "look" });
  }
  const link = event.target.closest("a[href]");
  if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const address = new URL(link.href);
  if (address.hash || address.origin !== location.origin || !questionnaire.copy) return;
  event.preventDefault();
  const place = placeOf(address);
  leaveQuestion(() => (place ? go(place) : location.assign(link.href)));
}

// --- what the line says -----------------------------------------------------------------------------------------------

function statusWords() {
  const { words } = questionnaire.copy;
  const step = questionnaire.place?.step;
  const answered = step && codeOf(step) !== null;
  if (line.state === "signin") return words.sign_in;
  if (line.state === "kept" || (line.state === "waiting" && (answered || !step))) return parts.dataset.kept;
  return answered ? words.saved : step ? words.each_is_saved : ""; // the list says so itself
}

function say(text) {
  const status = document.querySelector('main [role="status"].saved');
  if (!status) return null;
  status.textContent = text;
  status.hidden = !text;
  status.classList.toggle("waiting", [parts.dataset.kept, questionnaire.copy?.words.sign_in].includes(text));
  return status;
}

async function onLine() {
  const { copy, assessment, place } = questionnaire;
  const answer = line.answers.get(assessment);
  if (!copy) {
    if (!answer?.done?.length) return;
    if (questionnaire.told === false) questionnaire.ready = load(assessment, true);
    else questionnaire.told = true; // it is being fetched
    return;
  }
  line.answers.delete(assessment);
  if (!answer) {
    if (!copy.sending) say(statusWords());
    return;
  }
  if (answer === "none" || answer.sent || Object.keys(answer.refused).length) {
    await keepChosen().catch(() => {});
    if (!answer.sent) location.reload(); // the server's page says what is the matter
    else if (!answer.conflicts && (copy.sending || !answer.done.length)) location.replace(`${questionnaire.base}/sent`);
    else showReceived(answer.sent);
    return;
  }
  const stored = await readCopy(assessment).catch(() => null);
  const now = questionnaire.copy;
  if (!now) return; // put away meanwhile
  if (stored) questionnaire.copy = { ...stored, active: Math.max(stored.active, now.active) };
  if (copy.sending) return;
  const changed = allItems().filter(({ step }) => step in answer.elsewhere);
  const note = changed.length ? fill(copy.words.elsewhere, { questions: changed.map(placeIn).join("; ") }) : "";
  const shown = place?.step === null || changed.some(({ step }) => step === place?.step);
  if (note && shown && !questionnaire.chosen) show(place, { note });
  else say(note || statusWords());
}

// Nobody reads on here: what is chosen is kept, and a page without network shows no answers.
async function putAway() {
  const { assessment, copy } = questionnaire;
  if (!copy) return;
  await keepChosen().catch(() => {});
  await changeCopy(assessment, (one) => {
    one.active = 0;
  }).catch(() => {});
}

// After half an hour without use: what is kept stays, and the next sign-in sends it.
async function lock() {
  await putAway();
  questionnaire.copy = null;
  showView("locked").querySelector("h1").focus();
}

function showReceived(when) {
  const { copy, base } = questionnaire;
  questionnaire.copy = null;
  const main = showView("received");
  main.querySelector('[data-at="when"]').textContent = fill(copy.words.received, { when });
  main.querySelector('[data-at="receipt"]').href = `${base}/sent`;
  main.querySelector("h1").focus();
}
