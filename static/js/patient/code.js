// The printed code travels behind "#", where no server log sees it: put it into its field, and out of the address bar.
function takePrintedCode() {
  const printed = decodeURIComponent(location.hash.slice(1));
  if (!/^[A-Za-z0-9 -]{12,20}$/.test(printed)) return;
  const field = document.querySelector("[data-code]");
  const elsewhere = document.querySelector("[data-code-page]");
  if (field) {
    field.value = grouped(printed);
    history.replaceState(null, "", location.pathname + location.search);
  } else if (elsewhere) {
    location.replace(`${elsewhere.dataset.codePage}#${printed}`);
  }
}
takePrintedCode();
addEventListener("hashchange", takePrintedCode); // a second sheet scanned while the page is open

function grouped(text) {
  const signs = text.toUpperCase().replace(/[^A-Z0-9]/g, "");
  return (signs.match(/.{1,4}/g) || []).join(" ");
}

// Show the code in groups of four as it is typed, unless the cursor is in the middle of it.
document.querySelector("[data-code]")?.addEventListener("input", ({ target, inputType }) => {
  if (target.selectionStart === target.value.length && !inputType?.startsWith("delete")) {
    target.value = grouped(target.value);
  }
});

// Changing the language loads the page anew: the code in the field is taken across, and kept no longer than that.
function takeCodeAcross() {
  const field = document.querySelector("[data-code]");
  const kept = sessionStorage.getItem("proapp-code");
  sessionStorage.removeItem("proapp-code");
  if (!field) return;
  field.value ||= kept ?? "";
  document.querySelector('form[action$="/language"]')?.addEventListener("submit", () => {
    sessionStorage.setItem("proapp-code", field.value);
  });
}
try {
  takeCodeAcross();
} catch {
  // A browser that keeps nothing: the code is typed, or scanned once more.
}
