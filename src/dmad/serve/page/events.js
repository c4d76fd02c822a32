// The list of events: filters, keys, marks and news.
import { connectMarks, listen, mark, onKey } from "./common.js";

connectMarks();
const form = document.querySelector(".filter");
form.addEventListener("change", () => form.requestSubmit());

const news = document.getElementById("news");
const known = new Set([...document.querySelectorAll(".event")].map((one) => one.dataset.number));
listen("event", async (message) => {
  if (known.has(String(message.number)) && message.state === "update") return;
  const unfiltered = news.dataset.first === "true" && ![...new FormData(form).values()].some(Boolean);
  if (!unfiltered || document.activeElement?.closest(".event")) {
    news.hidden = false;
    return;
  }
  const page = new DOMParser().parseFromString(await (await fetch("/events")).text(), "text/html");
  document.querySelector(".events").replaceWith(document.adoptNode(page.querySelector(".events")));
  document.querySelector(".empty")?.remove();
  document.querySelector("h1").replaceWith(document.adoptNode(page.querySelector("h1")));
  known.add(String(message.number));
});

function step(by) {
  const cards = [...document.querySelectorAll(".event")];
  const at = cards.indexOf(document.activeElement?.closest(".event"));
  cards[Math.max(0, Math.min(cards.length - 1, at + by))]?.focus();
}

function markFocused(wanted) {
  const card = document.activeElement?.closest(".event");
  if (!card) return false;
  mark(card, wanted);
}

onKey({
  j: () => step(1), k: () => step(-1),
  s: () => markFocused("seen"), r: () => markFocused("real"), n: () => markFocused("normal"),
  Enter: (event) => {
    if (!event.target.matches(".event")) return false;
    event.target.querySelector("h3 a").click();
  },
});
