// Hits while one types: the server renders the page, this puts its parts in place.

const form = document.querySelector("form");
const input = form.elements.q;
const PAUSE = 250; // milliseconds without a key before it searches
const INDEXING = 1000; // milliseconds between looks while the worker is busy

let typing;
let looking;
let running;

async function show(address) {
  clearTimeout(typing);
  clearTimeout(looking);
  running?.abort();
  const mine = (running = new AbortController());
  const answer = document.getElementById("answer");
  answer.setAttribute("aria-busy", "true");
  try {
    const response = await fetch(address, { signal: mine.signal });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    history.replaceState(null, "", address);
    document.title = page.title;
    const status = document.getElementById("status");
    const { textContent } = page.getElementById("status");
    // what is read out is only what is new
    if (status.textContent !== textContent) status.replaceWith(page.getElementById("status"));
    const opened = new Set([...answer.querySelectorAll("details[open]")].map((one) => one.closest("article").id));
    const fresh = page.getElementById("answer");
    for (const one of fresh.querySelectorAll("details")) one.open = opened.has(one.closest("article").id);
    answer.replaceWith(fresh);
  } catch (error) {
    if (mine.signal.aborted) return; // something newer is under way
    answer.removeAttribute("aria-busy");
    document.getElementById("status").textContent = "The server does not answer. Trying again …";
    looking = setTimeout(() => show(address), 3 * INDEXING);
    return;
  }
  look();
}

// While articles are being indexed there is more to find in a moment.
function look() {
  if ("indexing" in document.getElementById("answer").dataset) {
    looking = setTimeout(() => show(location.href), INDEXING);
  }
}

function address() {
  const query = input.value.trim();
  return query ? `/?${new URLSearchParams({ q: query })}` : "/";
}

input.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => show(address()), PAUSE);
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  show(address());
});

look();
