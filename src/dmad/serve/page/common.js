// Code for all pages of the console: texts, requests, live messages, marks and curves.
import { connect } from "./live.js";

const texts = JSON.parse(document.getElementById("texts").textContent);

export function t(name, values = {}) {
  const text = texts[`js.${name}`] ?? name;
  return text.replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole);
}

export function number(value, digits = 2) {
  return value === null || value === undefined ? t("no-score") : value.toFixed(digits);
}

let toastTimer = 0;
export function toast(message) {
  const box = document.getElementById("toast");
  box.textContent = message;
  box.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { box.hidden = true; }, 6000);
}

// Sends JSON and returns the answer. If the console refuses, the text of its answer is the message of the error.
export async function send(method, address, content) {
  const options = { method };
  if (content !== undefined) {
    options.headers = { "content-type": "application/json" };
    options.body = JSON.stringify(content);
  }
  const answer = await fetch(address, options);
  if (answer.status === 401) location.assign("/login");
  if (answer.status === 204) return null;
  let body;
  try {
    body = await answer.json();
  } catch {
    throw new Error(t("no-answer")); // the answer is a page of a proxy, or was cut off
  }
  if (!answer.ok) throw new Error(body.error);
  return body;
}

// Calls a function for each live message of a kind.
const handlers = new Map();
let want = null;
export function listen(kind, handler) {
  const offline = document.getElementById("offline");
  want ??= connect((message) => {
    if ("online" in message) {
      offline.textContent = t("offline");
      offline.hidden = message.online;
    } else {
      for (const one of handlers.get(message.kind) ?? []) one(message.content);
    }
  });
  handlers.set(kind, [...(handlers.get(kind) ?? []), handler]);
  want(kind);
}

// Calls the function that belongs to a pressed key, but not while a person types into a field.
export function onKey(keys) {
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, select, textarea");
    const handler = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!handler || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (handler(event) !== false) event.preventDefault();
  });
}

// Marks an event. The buttons are in a card of an event, or on its page. For the mark "normal", the person is
// asked first what shall change. Then the page says what has changed.
export async function mark(element, wanted) {
  const chosen = element.dataset.mark === wanted ? "" : wanted;
  if (chosen === "normal") {
    offerChanges(element);
    return;
  }
  try {
    await sendMark(element, { mark: chosen });
  } catch (error) {
    toast(t("failed", { error: error.message }));
  }
}

function offerChanges(element) {
  closeOffer();
  const offer = make("div", { className: "offer" });
  offer.setAttribute("role", "group");
  offer.setAttribute("aria-label", t("offer"));
  offer.append(make("p", { textContent: t("offer") }));
  const row = make("div", { className: "row" });
  for (const change of ["threshold", "here"]) {
    const button = make("button", { type: "button" });
    button.dataset.change = change;
    button.append(make("b", { textContent: t(`offer-${change}`) }), make("small", { textContent: t(`offer-${change}-help`) }));
    row.append(button);
  }
  const cancel = make("button", { type: "button", className: "quiet", textContent: t("offer-cancel") });
  cancel.dataset.change = "";
  row.append(cancel);
  const answer = make("p", { className: "small answer" });
  answer.setAttribute("role", "status");
  offer.append(row, answer);
  offer.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.change) choose(element, offer, button.dataset.change === "here", "force" in button.dataset);
    else closeOffer();
  });
  offer.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    closeOffer();
    element.querySelector('[data-mark="normal"]').focus();
  });
  element.querySelector(".marks").after(offer);
  row.firstElementChild.focus();
}

function closeOffer() {
  document.querySelector(".offer")?.remove();
}

// Sends the mark "normal" with a change. If the console refuses the change, the page says why, and the person
// may choose again.
async function choose(element, offer, onlyHere, force) {
  const buttons = [...offer.querySelectorAll("button")];
  const answer = offer.querySelector(".answer");
  for (const button of buttons) button.disabled = true;
  answer.textContent = onlyHere ? t("offer-wait") : "";
  try {
    await sendMark(element, { mark: "normal", only_here: onlyHere, force });
    offer.remove();
  } catch (error) {
    const why = error.message.replace(" (`force`)", "");  // this word is for programs
    answer.textContent = `${why[0].toUpperCase()}${why.slice(1)}.`;
    for (const button of buttons) button.disabled = false;
    if (why !== error.message) {
      const button = make("button", { type: "button", textContent: t(onlyHere ? "force-here" : "force") });
      Object.assign(button.dataset, { change: onlyHere ? "here" : "threshold", force: "" });
      answer.append(button);
      button.focus();
    }
  }
}

function make(name, properties) {
  return Object.assign(document.createElement(name), properties);
}

// Sends a mark, and says what it has changed.
async function sendMark(element, content) {
  const answer = await send("POST", `/api/events/${element.dataset.number}/mark`, content);
  showMark(element, content.mark);
  const words = describeChange(answer, content.only_here);
  const marked = content.mark ? t("marked", { mark: t(`mark.${content.mark}`) }) : t("unmarked");
  const change = document.getElementById("change");
  if (change && words) {
    change.textContent = words;
    change.hidden = false;
    toast(marked);
  } else {
    toast(words ? `${marked} ${words}` : marked);
  }
}

function describeChange(answer, onlyHere) {
  if (answer.old === null) return "";
  const names = answer.silent.slice(0, 6).map((event) => `${event.when} (${number(event.score, 1)})`);
  if (answer.silent.length > 6) names.push("…");
  const events = names.join(", ");
  if (onlyHere) return events ? `${answer.words} ${t("silent-here", { events })}` : answer.words;
  if (answer.new === answer.old) return t("threshold-stays", { old: number(answer.old) });
  const rose = t("threshold-rose", { old: number(answer.old), new: number(answer.new) });
  return `${rose} ${events ? t("silent", { events }) : t("silent-none")}`;
}

function showMark(element, chosen) {
  element.dataset.mark = chosen;
  for (const button of element.querySelectorAll(".marks button")) {
    button.setAttribute("aria-pressed", String(button.dataset.mark === chosen));
  }
}

export function connectMarks() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".marks button");
    if (button) mark(button.closest(".event"), button.dataset.mark);
  });
  listen("mark", (message) => {
    const element = document.querySelector(`.event[data-number="${message.number}"]`);
    if (element) showMark(element, message.mark);
  });
}

// Adds new events to a list of events, from the page at an address. Cards that are already in the list stay
// where they are, so that nothing moves below the pointer. Only their pictures and words change.
export async function refreshEvents(list, address) {
  const page = new DOMParser().parseFromString(await (await fetch(address)).text(), "text/html");
  let after = null;
  for (const fresh of page.querySelectorAll(".event.card")) {
    const present = list.querySelector(`.event[data-number="${fresh.dataset.number}"]`);
    if (present) {
      for (const part of [".shot", ".meta", "h3"]) {
        const [old, now] = [present.querySelector(part), fresh.querySelector(part)];
        if (old.innerHTML !== now.innerHTML) old.replaceChildren(...document.adoptNode(now).childNodes);
      }
      after = present;
    } else {
      const card = document.adoptNode(fresh);
      if (after) after.after(card);
      else list.prepend(card);
      after = card;
    }
  }
  return page;
}

// Shows the live picture of a camera. The next picture is requested only after the last one has arrived, so
// requests do not wait in a queue.
export class Tile {
  constructor(element, period) {
    this.element = element;
    this.image = element.querySelector("img.live");
    this.period = period;
    this.seen = true;
    this.image.addEventListener("load", () => {
      this.image.classList.add("there");
      this.plan();
    });
    this.image.addEventListener("error", () => this.plan(2000));
    new IntersectionObserver((entries) => { this.seen = entries.at(-1).isIntersecting; }).observe(element);
    this.load();
  }

  plan(wait) {
    const took = performance.now() - this.asked;
    setTimeout(() => this.load(), wait ?? Math.max(this.period - took, 2 * took, 50));
  }

  load() {
    if (document.hidden || !this.seen) {
      setTimeout(() => this.load(), 500);
      return;
    }
    this.asked = performance.now();
    this.image.src = `/live/${this.element.dataset.number}.jpg?heat=${showsHeat()}&at=${Date.now()}`;
  }
}

let heat = true;
export function showsHeat() {
  return heat ? 1 : 0;
}

export function connectHeat() {
  const button = document.getElementById("heat");
  if (!button) return;
  try { heat = sessionStorage.getItem("heat") !== "off"; } catch { heat = true; }
  const show = () => button.setAttribute("aria-pressed", String(heat));
  const toggle = () => {
    heat = !heat;
    try { sessionStorage.setItem("heat", heat ? "on" : "off"); } catch { /* not stored */ }
    show();
  };
  show();
  button.addEventListener("click", toggle);
  onKey({ h: toggle });
}

// Draws the scores of the last seconds as a line, and the threshold.
export class Curve {
  constructor(svg, scores = [], seconds = 60) {
    this.score = svg.querySelector(".score");
    this.threshold = svg.querySelector(".threshold");
    this.seconds = seconds;
    this.points = scores.map(([time, score]) => ({ time, score }));
  }

  add(time, score, threshold) {
    if (score !== null && (!this.points.length || this.points.at(-1).time < time)) this.points.push({ time, score });
    const start = time - this.seconds;
    while (this.points.length && this.points[0].time < start) this.points.shift();
    const scores = this.points.map((point) => point.score);
    const high = 1.15 * Math.max(threshold ?? 0, ...scores, 0.001);
    const low = Math.min(0, ...scores);
    const y = (value) => (54 - (52 * (value - low)) / (high - low)).toFixed(1);
    const place = (point) => `${((300 * (point.time - start)) / this.seconds).toFixed(1)} ${y(point.score)}`;
    this.score.setAttribute("d", this.points.length ? `M${this.points.map(place).join("L")}` : "");
    this.threshold.setAttribute("d", threshold === null ? "" : `M0 ${y(threshold)}H300`);
  }
}

export function showStatus(element, camera) {
  const set = (selector, value) => {
    for (const one of element.querySelectorAll(selector)) one.textContent = value;
  };
  set("b.score", number(camera.score, 1));
  set(".limit", number(camera.threshold, 1));
  set(".today", camera.events_today);
  set(".dropped", camera.dropped);
  for (const one of element.querySelectorAll(".state")) {
    one.dataset.state = camera.state;
    one.textContent = t(`state.${camera.state}`);
  }
  for (const one of element.querySelectorAll(".problem")) {
    one.textContent = camera.problem;
    one.hidden = !camera.problem;
  }
  element.classList.toggle("over", camera.score !== null && camera.score >= camera.threshold);
}
