// The page of one event: marks and keys. The page is loaded again when the film is complete.
import { connectMarks, mark, onKey } from "./common.js";

connectMarks();
const event = document.querySelector(".event-page");
onKey({
  s: () => mark(event, "seen"), r: () => mark(event, "real"), n: () => mark(event, "normal"),
  ArrowLeft: (pressed) => (pressed.target.matches("video") ? false : document.getElementById("newer")?.click()),
  ArrowRight: (pressed) => (pressed.target.matches("video") ? false : document.getElementById("older")?.click()),
});

// The film is complete some seconds after the end of the event.
if (document.querySelector("[data-waits]")) {
  const timer = setInterval(async () => {
    const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
    if (page.querySelector("[data-waits]")) return;
    clearInterval(timer);
    location.reload();
  }, 3000);
}
