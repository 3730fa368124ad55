// What this phone keeps until the clinic has it: `copies` (one questionnaire each, to go on without network), `kept` (what
// was done and has not been acknowledged, in its order) and `phone` (its own sign). Copies and entries say whose they
// are, in a word that means nothing elsewhere: two people may share a phone. Never on a clinic's tablet.

const LAYOUT = 2; // of a copy; one of another layout is as good as none, but never its entries
const held = { opening: null, sign: "" };

// A store that does not answer is as good as none; a slow one takes a second or two.
const soon = (promise, patience = 8000) =>
  Promise.race([promise, new Promise((_resolve, reject) => setTimeout(reject, patience))]);

function openStore() {
  return new Promise((resolve, reject) => {
    if ("clinic" in document.body.dataset) throw new Error("nothing is kept here");
    const request = indexedDB.open("proapp", 2);
    request.onupgradeneeded = () => {
      const make = (name, options) =>
        request.result.objectStoreNames.contains(name) || request.result.createObjectStore(name, options);
      make("copies", { keyPath: "assessment" });
      make("kept", { keyPath: "number", autoIncrement: true });
      make("phone");
    };
    request.onsuccess = () => {
      const database = request.result;
      database.onclose = () => (held.opening = null);
      database.onversionchange = () => database.close() || (held.opening = null); // a newer page wants another layout
      resolve(database);
    };
    request.onerror = request.onblocked = reject;
  });
}

async function begun(mode) {
  held.opening ??= openStore();
  return (await held.opening).transaction(["copies", "kept", "phone"], mode, { durability: "strict" });
}

// Run `act` with the object stores in one transaction; resolves with its result when that is on the disk. Rejects where
// there is no store to be had; the next one asks again.
const inStore = (mode, act) => soon(inTransaction(mode, act));

async function inTransaction(mode, act) {
  const afresh = () => ((held.opening = null), begun(mode));
  const transaction = await begun(mode).catch(afresh);
  return new Promise((resolve, reject) => {
    let result;
    transaction.oncomplete = () => resolve(result instanceof IDBRequest ? result.result : result);
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
    result = act(...["copies", "kept", "phone"].map((name) => transaction.objectStore(name)));
  });
}

// Whose page this is; where the phone made it up itself, whose questionnaire it shows.
const owner = () => document.querySelector("[data-owner]")?.dataset.owner ?? questionnaire.copy?.owner;
const isOwn = (one) => !one.owner || !owner() || one.owner === owner();
const ifKnown = (copy) => (copy?.version === LAYOUT ? copy : undefined);

const readCopy = async (assessment) => ifKnown(await inStore("readonly", (copies) => copies.get(assessment)));
const readCopies = () => inStore("readonly", (copies) => copies.getAll());
const readKept = () => inStore("readonly", (_copies, kept) => kept.getAll());
const ownKept = async () => (await readKept()).filter(isOwn);
const writeCopy = (copy) => inStore("readwrite", (copies) => void copies.put(copy));

// Change a copy as it lies there, with what has just been done, together or not at all; resolves with the changed copy.
// Two pages of one phone thus never write over each other.
async function changeCopy(assessment, change, entry = null) {
  let changed;
  await inStore("readwrite", (copies, kept) => {
    copies.get(assessment).onsuccess = ({ target }) => {
      changed = ifKnown(target.result);
      if (changed) copies.put(change(changed) ?? changed);
    };
    if (entry) kept.add(entry);
  });
  return changed;
}

const dropKept = (numbers) => inStore("readwrite", (_copies, kept) => numbers.forEach((number) => kept.delete(number)));
const dropCopy = (assessment) => inStore("readwrite", (copies) => void copies.delete(assessment));

// What another person has here is not touched.
function dropOwn() {
  const mine = owner();
  return inStore("readwrite", (...stores) => {
    for (const store of stores.slice(0, 2)) {
      store.openCursor().onsuccess = ({ target: { result } }) => {
        if (result?.value.owner === mine) result.delete();
        result?.continue();
      };
    }
  });
}

// Eight letters that tell this phone's entries from those of another; beside them, so that they last as long.
async function deviceSign() {
  const fresh = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => (byte % 36).toString(36)).join("");
  const take = (_copies, _kept, phone) => {
    const found = phone.get("sign");
    found.onsuccess = () => found.result || phone.put(fresh, "sign");
    return found;
  };
  held.sign ||= (await inStore("readwrite", take)) || fresh;
  return held.sign;
}
