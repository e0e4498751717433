// Follows what goes on: asks again for a part of the page until nothing more is to come. And copies what is pasted elsewhere.
(() => {
  const FIRST = 1000, SLOWEST = 5000, LONGEST = 30 * 60e3;
  const pause = ms => new Promise(done => setTimeout(done, ms));

  // What somebody has begun to fill in, or has to mend, is not taken away from them.
  const refused = () => document.querySelector("[aria-invalid]") !== null;
  const typing = () => refused() || [...document.querySelectorAll("input, textarea")].some(one => one.type !== "hidden" && one.value !== one.defaultValue);

  async function follow(place) {
    const until = Date.now() + LONGEST;
    let before = place.innerHTML.trim();
    for (let wait = FIRST; Date.now() < until; wait = Math.min(wait * 1.15, SLOWEST)) {
      await pause(wait);
      if (document.hidden) continue;
      const answer = await fetch(place.dataset.follow, { redirect: "manual" }).catch(() => null);
      if (answer === null || answer.status >= 500) continue;
      if (!answer.ok) return;
      const text = (await answer.text()).trim();
      const parts = new DOMParser().parseFromString(text, "text/html").body;
      const go = parts.querySelector("[data-go]");
      if (go && !typing()) return location.replace(go.dataset.go);
      // A page that is asked for itself answers whole; once nothing goes on any more it is shown whole.
      const whole = parts.querySelector("main");
      const part = whole ? whole.querySelector("[data-follow]") : parts;
      if (part === null && typing()) continue;
      if (part === null) return location.reload();
      if (text !== before && !(whole && (typing() || place.contains(document.activeElement)))) {
        before = text;
        wait = FIRST;
        place.replaceChildren(...part.childNodes);
      }
      if (!place.querySelector("[data-again]")) return;
    }
  }

  async function copy(button) {
    const from = document.getElementById(button.dataset.copy);
    const say = text => {
      button.textContent = text;
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    };
    try {
      await navigator.clipboard.writeText(from.textContent);
      say("Copied");
    } catch {
      getSelection().selectAllChildren(from);
      say("Press Ctrl+C");
    }
  }

  for (const place of document.querySelectorAll("[data-follow]")) follow(place);
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }
})();
