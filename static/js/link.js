// The token of a personal link stands behind "#", where no server log sees it: put it into the form, and out of the
// address bar. Without scripts the page leads to the ordinary sign-in.

function takeLink() {
  const token = location.hash.slice(1).toUpperCase();
  if (!/^[A-HJKMNP-Z2-9]{26}$/.test(token)) return;
  const known = document.querySelector("[data-link]");
  known.querySelector("form").elements.link.value = token;
  known.hidden = false;
  document.querySelector("[data-no-link]").hidden = true;
  history.replaceState(null, "", location.pathname + location.search);
}
takeLink();
addEventListener("hashchange", takeLink); // the next message, opened while the page is still there
