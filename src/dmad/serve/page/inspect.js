// The inspection station: uploads, the part in view, and the threshold over the histogram.
import { listen, number, onKey, send, t, toast } from "./common.js";

const $ = (id) => document.getElementById(id);
const page = document.querySelector(".inspect");
const query = `model=${encodeURIComponent(page.dataset.model)}`;
let parts = JSON.parse($("parts").textContent);
let histogram = JSON.parse($("histogram-data").textContent);
let shown = 0; // index in `visible()`
let heat = true;
let wanted = histogram.threshold; // where the line is; the person may not have confirmed it yet

const visible = () => ($("only-bad").checked ? parts.filter((part) => part.verdict === "anomalous") : parts);

function show(index) {
  const list = visible();
  shown = Math.max(0, Math.min(list.length - 1, index));
  const part = list[shown];
  const image = $("part");
  if (part && (part.heat || part.picture)) image.src = heat ? part.heat : part.picture;
  else image.removeAttribute("src");
  image.alt = part ? part.name : "";
  $("verdict").textContent = part ? t(`verdict.${part.verdict}`) : "";
  $("verdict").className = `verdict ${part?.verdict ?? ""}`;
  const score = part && (part.threshold === null ? t("score-only", { score: number(part.score) })
    : t("score-of", { score: number(part.score), threshold: number(part.threshold) }));
  $("part-name").textContent = part ? `${part.name} · ${score}` : "";
  $("part-index").textContent = part ? t("part-of", { index: shown + 1, count: list.length }) : "";
  for (const button of $("strip").children) {
    const current = part && Number(button.dataset.number) === part.number;
    button.toggleAttribute("aria-current", Boolean(current));
  }
}

function drawStrip() {
  const cards = visible().map((part) => {
    const card = document.createElement("button");
    card.className = part.verdict;
    card.dataset.number = part.number;
    const image = document.createElement("img");
    image.alt = "";
    image.loading = "lazy";
    if (part.picture) image.src = part.picture;
    const name = document.createElement("span");
    name.className = "name";
    name.textContent = part.name;
    const value = document.createElement("span");
    value.className = "value";
    value.textContent = `${t(`verdict.${part.verdict}`)} · ${number(part.score, 1)}`;
    card.append(image, name, value);
    return card;
  });
  $("strip").replaceChildren(...cards);
}

$("strip").addEventListener("click", (event) => {
  const card = event.target.closest("button");
  if (card) show([...$("strip").children].indexOf(card));
});

function toggleHeat() {
  heat = !heat;
  $("heat").setAttribute("aria-pressed", String(heat));
  show(shown);
}
$("previous").addEventListener("click", () => show(shown - 1));
$("next").addEventListener("click", () => show(shown + 1));
$("heat").addEventListener("click", toggleHeat);
$("only-bad").addEventListener("change", () => { drawStrip(); show(0); });
onKey({
  ArrowLeft: (event) => (event.target.id === "line" ? false : show(shown - 1)),
  ArrowRight: (event) => (event.target.id === "line" ? false : show(shown + 1)),
  h: toggleHeat,
});

// The histogram and its line.
const share = (score) => (score - histogram.low) / (histogram.high - histogram.low);

function drawHistogram() {
  const count = histogram.good.length;
  const step = 480 / count;
  const bars = [];
  for (const [name, left, width] of [["good", 0.06, 0.88], ["today", 0.24, 0.52]]) {
    const values = histogram[name];
    const most = Math.max(1, ...values);
    values.forEach((value, index) => {
      if (!value) return;
      const height = Math.max(3, (170 * value) / most);
      const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      const sizes = { x: (index + left) * step, width: width * step, y: 180 - height, height };
      for (const [key, size] of Object.entries(sizes)) bar.setAttribute(key, size.toFixed(2));
      bar.setAttribute("class", name);
      bars.push(bar);
    });
  }
  $("bars").replaceChildren(...bars);
  $("low").textContent = number(histogram.low, 1);
  $("high").textContent = number(histogram.high, 1);
  $("total").textContent = histogram.scores.length;
  $("bad").textContent = countBad(histogram.threshold);
  drawLine();
}

const countBad = (threshold) =>
  (threshold === null ? 0 : histogram.scores.filter((score) => score >= threshold).length);

function drawLine() {
  const line = $("line");
  line.hidden = wanted === null;
  if (wanted === null) return;
  const place = Math.min(1, Math.max(0, share(wanted)));
  line.style.left = `${100 * place}%`;
  line.classList.toggle("right", place > 0.8);
  line.firstElementChild.textContent = number(wanted);
  line.setAttribute("aria-valuenow", wanted.toFixed(3));
  line.setAttribute("aria-valuemin", histogram.low.toFixed(3));
  line.setAttribute("aria-valuemax", histogram.high.toFixed(3));
  const changed = wanted !== histogram.threshold;
  for (const id of ["preview", "confirm", "cancel"]) $(id).hidden = !changed;
  if (!changed) return;
  const [before, bad] = [countBad(histogram.threshold), countBad(wanted)];
  const kind = bad > before ? "more" : bad < before ? "fewer" : "same";
  $("preview").textContent = t(`preview-${kind}`, {
    threshold: number(wanted), bad, count: histogram.scores.length, more: bad - before, fewer: before - bad,
  });
}

function moveTo(clientX) {
  const box = $("histogram").getBoundingClientRect();
  const place = Math.min(1, Math.max(0, (clientX - box.left) / box.width));
  wanted = histogram.low + place * (histogram.high - histogram.low);
  drawLine();
}

const line = $("line");
line.addEventListener("pointerdown", (event) => {
  line.setPointerCapture(event.pointerId);
  line.focus();
  event.preventDefault();
});
line.addEventListener("pointermove", (event) => {
  if (line.hasPointerCapture(event.pointerId)) moveTo(event.clientX);
});
line.addEventListener("keydown", (event) => {
  const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!way) return;
  event.preventDefault();
  wanted += (way * (histogram.high - histogram.low)) / (event.shiftKey ? 20 : 200);
  drawLine();
});

async function changeThreshold(address, content) {
  try {
    const answer = await send("POST", `${address}?${query}`, content);
    toast(t("threshold-set", { old: number(answer.old), new: number(answer.new) }));
    $("undo").hidden = address.endsWith("undo");
    await refresh();
    wanted = histogram.threshold;
    drawLine();
  } catch (error) {
    toast(t("failed", { error: error.message }));
  }
}
$("confirm").addEventListener("click", () => changeThreshold("/api/threshold", { threshold: wanted }));
$("cancel").addEventListener("click", () => { wanted = histogram.threshold; drawLine(); });
$("undo").addEventListener("click", () => changeThreshold("/api/threshold/undo"));

let asked = 0;
async function refresh() {
  const mine = ++asked;
  const [list, bars] = await Promise.all([send("GET", `/api/parts?${query}&limit=300`), send("GET", `/api/histogram?${query}`)]);
  if (mine !== asked) return; // a newer request was sent, so this answer is old
  // These values are read only now, because the person may have dragged the line or chosen another part.
  const kept = wanted === histogram.threshold ? null : wanted;
  const following = shown === 0;
  const current = visible()[shown]?.number;
  parts = list.parts;
  histogram = bars;
  wanted = kept ?? histogram.threshold;
  drawStrip();
  show(following ? 0 : visible().findIndex((part) => part.number === current));
  drawHistogram();
}

// Parts that other programs send appear too. The page is updated at most twice per second.
let planned = 0;
function plan() {
  planned ||= setTimeout(() => { planned = 0; refresh(); }, 500);
}
listen("part", plan);

// Uploads: four at a time.
async function upload(files) {
  const waiting = [...files].filter((file) => file.type.startsWith("image/") || /\.(tiff?|bmp|webp|png|jpe?g)$/i.test(file.name));
  const count = waiting.length;
  let [done, failed, lastError] = [0, 0, ""];
  const progress = $("progress");
  progress.hidden = false;
  const say = () => {
    progress.value = count ? (done + failed) / count : 1;
    $("progress-text").textContent = failed
      ? t("progress-failed", { done, count, failed, error: lastError }) : t("progress", { done, count });
  };
  say();
  const work = async () => {
    for (let file = waiting.shift(); file; file = waiting.shift()) {
      const name = encodeURIComponent(file.webkitRelativePath || file.name);
      try {
        const answer = await fetch(`/api/inspect?${query}&keep=1&name=${name}`, {
          method: "POST", body: file, headers: { "content-type": "application/octet-stream" },
        });
        if (!answer.ok) throw new Error((await answer.json()).error);
        done += 1;
      } catch (error) {
        failed += 1;
        lastError = error.message;
      }
      say();
    }
  };
  await Promise.all([work(), work(), work(), work()]);
  progress.hidden = true;
  shown = 0;
  await refresh();
}

async function filesOf(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const entries = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!entries.length) return found;
    for (const one of entries) found.push(...(await filesOf(one)));
  }
}

const drop = $("drop");
for (const kind of ["dragenter", "dragover"]) {
  addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
}
addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
addEventListener("drop", async (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const files = entries.length ? (await Promise.all(entries.map(filesOf))).flat() : event.dataTransfer.files;
  upload(files);
});
$("choose").addEventListener("click", () => $("files").click());
$("choose-folder").addEventListener("click", () => $("folder").click());
for (const id of ["files", "folder"]) {
  $(id).addEventListener("change", () => { upload($(id).files); });
}
$("model")?.addEventListener("change", (event) => event.target.form.requestSubmit());

drawStrip();
drawHistogram();
show(0);
