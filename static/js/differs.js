// On the first page: what was kept on the phone and came too late is told until it has been read.
const key = `differs ${document.querySelector("[data-owner]").dataset.owner}`;

function tell() {
  if (document.getElementById("differs") || !localStorage.getItem(key)) return;
  document.querySelector("main h1").after(document.getElementById("view-differs").content.cloneNode(true));
  document.querySelector("#differs button").addEventListener("click", () => {
    localStorage.removeItem(key);
    document.getElementById("differs").remove();
  });
}

tell();
document.addEventListener("proapp:line", tell);
