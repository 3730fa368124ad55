// A code behind "#" never reaches a server or its log: put it into its field, and out of the address bar.

const field = document.querySelector("[data-fragment-target]");
const code = decodeURIComponent(location.hash.slice(1));
if (field && /^[A-Za-z0-9 -]{12,20}$/.test(code)) {
  field.value = code;
  history.replaceState(null, "", location.pathname + location.search);
}
