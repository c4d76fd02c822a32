// The list of events: filters, keys, marks and news.
import { connectMarks, listen, mark, onKey, refreshEvents } from "./common.js";

connectMarks();
const form = document.querySelector(".filter");
form.addEventListener("change", () => form.requestSubmit());

const news = document.getElementById("news");
const list = document.getElementById("events");
listen("event", async (message) => {
  if (message.state === "update") return;
  const isFirst = news.dataset.first === "true" && ![...new FormData(form).values()].some(Boolean);
  if (!isFirst) {
    news.hidden = message.state !== "new" && news.hidden;
    return;
  }
  const page = await refreshEvents(list, "/events");
  document.querySelector(".empty")?.remove();
  document.querySelector("h1").replaceWith(document.adoptNode(page.querySelector("h1")));
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
