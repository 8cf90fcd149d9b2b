// Replaces a part of the page by a newer one every two seconds, as long as that part says where it comes from.
"use strict";
async function refresh() {
  const part = document.querySelector("[data-refresh]");
  if (!part) return;
  try {
    const answer = await fetch(part.dataset.refresh, { credentials: "same-origin" });
    if (answer.ok) {
      const newer = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(part.id);
      const open = part.querySelector("details[open]") !== null;
      if (newer) {
        newer.querySelectorAll("details").forEach((each) => { each.open = open; });
        part.replaceWith(newer);
      }
    }
  } catch { /* the server is away: ask again */ }
  setTimeout(refresh, 2000);
}
setTimeout(refresh, 2000);
