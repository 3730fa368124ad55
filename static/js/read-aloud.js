// Reads the question aloud, where the study has that on and the device has a voice of its own for the language. Voices
// that need a network are not used: what is asked of a patient is sent to nobody.

const speech = window.speechSynthesis;
const ready = document.getElementById("read-aloud");

// Android writes sv_SE where others write sv-SE.
const voiceFor = (lang) =>
  speech.getVoices().find((voice) => voice.localService && voice.lang.toLowerCase().split(/[-_]/)[0] === lang);

const language = (element) => element.closest("[lang]").lang.toLowerCase().split("-")[0];

// What is on the page at this moment: the time it is about, the question, and the answers with their numbers.
function words(fieldset) {
  const parts = [...fieldset.querySelectorAll("legend .recall, legend h1, label.choice")];
  return parts.map((part) => part.textContent.replace(/\s+/g, " ").trim()).filter(Boolean);
}

function stop() {
  speech.cancel();
  for (const button of document.querySelectorAll("button.read-aloud")) show(button, false);
}

function show(button, reading) {
  button.textContent = reading ? button.dataset.stop : button.dataset.start;
  button.dataset.reading = reading ? "yes" : "";
}

function press(button) {
  const reading = button.dataset.reading === "yes";
  stop();
  const fieldset = button.closest("form").querySelector("fieldset");
  const voice = voiceFor(language(fieldset.querySelector("legend")));
  if (reading || !voice) return;
  // One after the other, so that there is a rest between them, and so that no browser cuts a long one short.
  const utterances = words(fieldset).map((text) => Object.assign(new SpeechSynthesisUtterance(text), { voice, lang: voice.lang }));
  utterances.at(-1).addEventListener("end", () => show(button, false));
  show(button, true);
  for (const utterance of utterances) speech.speak(utterance);
}

// The button stands before the answers. It comes when there is a voice, which some browsers know only after a while.
function offer() {
  const fieldset = document.querySelector("main input[name=answer]")?.closest("fieldset");
  if (!fieldset || fieldset.parentNode.querySelector("button.read-aloud")) return;
  if (!voiceFor(language(fieldset.querySelector("legend")))) return;
  const button = ready.content.firstElementChild.cloneNode(true);
  button.dataset.start = button.textContent;
  button.addEventListener("click", () => press(button));
  fieldset.before(button);
}

if (speech && ready) {
  offer();
  speech.addEventListener?.("voiceschanged", offer);
  // Another question has taken the place of this one without a new page.
  document.addEventListener("proapp:question", () => {
    stop();
    offer();
  });
  document.addEventListener("submit", stop);
  addEventListener("pagehide", stop);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) stop();
  });
}
