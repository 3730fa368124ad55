// What this phone keeps until the clinic has it: `copies` (one questionnaire each, to go on without network) and `kept`
// (what was done and has not been acknowledged, in its order). Never on a clinic's tablet.

const storage = openStore();

// The database, or null where there is none to be had; pages then work as without scripts.
function openStore() {
  if ("clinic" in document.body.dataset || !("indexedDB" in window)) return Promise.resolve(null);
  return new Promise((resolve) => {
    let request;
    try {
      request = indexedDB.open("proapp", 1);
    } catch {
      resolve(null);
      return;
    }
    request.onupgradeneeded = () => {
      request.result.createObjectStore("copies", { keyPath: "assessment" });
      request.result.createObjectStore("kept", { keyPath: "number", autoIncrement: true });
    };
    request.onsuccess = () => {
      request.result.onversionchange = () => request.result.close(); // a newer page wants another layout
      resolve(request.result);
    };
    request.onerror = () => resolve(null);
    request.onblocked = () => resolve(null);
  });
}

// Run `act` with the object stores in one transaction; resolves with its result when that is on the disk.
async function inStore(mode, act) {
  const database = await storage;
  if (!database) return undefined;
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(["copies", "kept"], mode, { durability: "strict" });
    let result;
    transaction.oncomplete = () => resolve(result instanceof IDBRequest ? result.result : result);
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
    result = act(transaction.objectStore("copies"), transaction.objectStore("kept"));
  });
}

const readCopy = (assessment) => inStore("readonly", (copies) => copies.get(assessment));
const readCopies = async () => (await inStore("readonly", (copies) => copies.getAll())) || [];
const readKept = async () => (await inStore("readonly", (_copies, kept) => kept.getAll())) || [];
const writeCopy = (copy) => inStore("readwrite", (copies) => void copies.put(copy));

// Change a copy as it lies there, with what has just been done, together or not at all; resolves with the changed copy.
// Two pages of one phone thus never write over each other.
async function changeCopy(assessment, change, entry = null) {
  let changed;
  await inStore("readwrite", (copies, kept) => {
    copies.get(assessment).onsuccess = ({ target }) => {
      changed = target.result;
      if (changed) copies.put(change(changed) ?? changed);
    };
    if (entry) kept.add(entry);
  });
  return changed;
}

const dropKept = (numbers) => inStore("readwrite", (_copies, kept) => numbers.forEach((number) => kept.delete(number)));
const dropCopy = (assessment) => inStore("readwrite", (copies) => void copies.delete(assessment));

// Eight letters that tell this phone's entries from those of another; made anew when the store is emptied.
function deviceSign() {
  const key = "proapp-device";
  let sign = localStorage.getItem(key);
  if (!/^[a-z0-9]{8}$/.test(sign || "")) {
    sign = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => (byte % 36).toString(36)).join("");
    localStorage.setItem(key, sign);
  }
  return sign;
}
