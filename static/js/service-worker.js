// The phone's go-between: where no network is to be had it answers with a page that the phone fills by itself. No page of
// a person is ever kept here, only one without anything personal, the style sheet and the script. SETTINGS, put in front
// by the server, names the files of this version.

const CACHE = `proapp ${SETTINGS.files.join(" ")} ${SETTINGS.offline}`;
const PATIENCE = 8000; // milliseconds for a page before the phone helps itself

addEventListener("install", (event) => {
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => cache.addAll([...SETTINGS.files, new Request(SETTINGS.offline, { cache: "reload", credentials: "omit" })]))
      .then(() => skipWaiting()),
  );
});

// An old version's files stay until no page needs them: a page under way has what it needs in memory.
addEventListener("activate", (event) => {
  const outdated = (name) => name.startsWith("proapp ") && name !== CACHE;
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter(outdated).map((name) => caches.delete(name))))
      .then(() => clients.claim()),
  );
});

addEventListener("fetch", (event) => {
  const { request } = event;
  const { pathname, origin } = new URL(request.url);
  if (request.method !== "GET" || origin !== location.origin) return;
  if (SETTINGS.files.includes(pathname)) {
    event.respondWith(caches.match(pathname, { cacheName: CACHE }).then((found) => found || fetch(request)));
  } else if (request.mode === "navigate" && !pathname.startsWith(`${SETTINGS.root}/staff`)) {
    event.respondWith(page(request, pathname));
  }
});

async function page(request, pathname) {
  const offline = () => caches.match(SETTINGS.offline, { cacheName: CACHE });
  const within = pathname.startsWith(`${SETTINGS.root}/assessment/`);
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(() => resolve(null), PATIENCE);
  });
  try {
    const answer = await Promise.race([fetch(request), late]);
    // Nobody behind the proxy, or too busy: the questionnaire goes on from the phone.
    if (answer && !(within && answer.status >= 502 && answer.status <= 504)) return answer;
    return (await offline()) || answer || fetch(request);
  } catch (failure) {
    const instead = await offline();
    if (instead) return instead;
    throw failure;
  } finally {
    clearTimeout(timer);
  }
}
