// The page of one event: marks and keys; it is loaded again when the event ends.
import { connectMarks, listen, mark, onKey } from "./common.js";

connectMarks();
const event = document.querySelector(".event-page");
onKey({
  s: () => mark(event, "seen"), r: () => mark(event, "real"), n: () => mark(event, "normal"),
  ArrowLeft: (pressed) => (pressed.target.matches("video") ? false : document.getElementById("newer")?.click()),
  ArrowRight: (pressed) => (pressed.target.matches("video") ? false : document.getElementById("older")?.click()),
});

// The film is complete some seconds after the end of the event.
const video = document.querySelector("video");
if (video) video.addEventListener("error", () => setTimeout(() => video.load(), 3000), { once: true });
listen("event", (message) => {
  if (String(message.number) === event.dataset.number && message.state === "end") {
    setTimeout(() => location.reload(), 4500);
  }
});
