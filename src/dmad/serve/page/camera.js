// The page of one camera: live picture, zones drawn by mouse, threshold and settings.
import { Curve, Tile, connectHeat, connectMarks, listen, number, onKey, send, showStatus, t, toast } from "./common.js";

const NOTICE = "notice"; // key of a message that is shown after the page has loaded again
const page = document.querySelector(".camera-page");
const settings = document.getElementById("settings");
settings.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = new FormData(settings);
  const camera = { name: form.get("name"), scene: form.get("scene"), fps: Number(form.get("fps")) };
  if (form.get("source")) camera.source = form.get("source");
  if (form.has("model")) camera.model = form.get("model");
  try {
    if (page) {
      const changed = await send("PATCH", `/api/cameras/${page.dataset.number}`, camera);
      try { sessionStorage.setItem(NOTICE, changed.words); } catch { /* not stored */ }
      location.reload();
    } else {
      const added = await send("POST", "/api/cameras", camera);
      location.assign(`/cameras/${added.number}`);
    }
  } catch (error) {
    toast(t("failed", { error: error.message }));
  }
});

if (page) {
  try {
    const notice = sessionStorage.getItem(NOTICE);
    sessionStorage.removeItem(NOTICE);
    if (notice) toast(notice);
  } catch { /* not stored */ }
  connectHeat();
  connectMarks();
  const id = Number(page.dataset.number);
  new Tile(page.querySelector(".tile"), 300);
  const curve = new Curve(page.querySelector(".curve"), JSON.parse(page.dataset.scores));
  const showPlaces = connectPlaces(id);
  listen("status", (cameras) => {
    const camera = cameras.find((one) => one.number === id);
    if (!camera) return;
    showStatus(page, camera);
    showPlaces(camera.places);
    const undo = document.getElementById("threshold-undo");
    if (undo) undo.disabled = !camera.can_undo;
    curve.add(camera.time, camera.score, camera.threshold);
  });
  connectThreshold(id);
  connectZones(id);
  document.getElementById("remove").addEventListener("click", async () => {
    await send("DELETE", `/api/cameras/${id}`);
    location.assign("/");
  });
}

function connectThreshold(id) {
  const form = document.getElementById("threshold");
  if (!form) return;
  const undo = document.getElementById("threshold-undo");
  const change = async (address, content) => {
    try {
      const answer = await send("POST", `/api/cameras/${id}/${address}`, content);
      form.elements.threshold.value = answer.new.toFixed(3);
      toast(answer.words);
    } catch (error) {
      toast(t("failed", { error: error.message }));
    }
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    change("threshold", { threshold: Number(form.elements.threshold.value) });
  });
  undo.addEventListener("click", () => change("threshold/undo"));
}

// Shows the less sensitive places: as stripes over the live picture, and in words. Returns a function that
// shows the places of a new status.
function connectPlaces(id) {
  const box = document.getElementById("places");
  const picture = page.querySelector("img.places");
  const button = document.getElementById("show-places");
  const forget = document.getElementById("places-forget");
  let visible = true;
  const show = (places) => {
    box.hidden = button.hidden = !places;
    picture.hidden = !places || !visible;
    if (!places) return;
    box.querySelector(".words").textContent = places.words;
    if (picture.getAttribute("src") !== places.picture) picture.src = places.picture;
  };
  button.addEventListener("click", () => {
    visible = !visible;
    button.setAttribute("aria-pressed", String(visible));
    picture.hidden = !visible;
  });
  forget.addEventListener("click", async () => {
    try {
      toast((await send("DELETE", `/api/cameras/${id}/places`)).words);
    } catch (error) {
      toast(t("failed", { error: error.message }));
    }
  });
  show(JSON.parse(box.dataset.places));
  return show;
}

function connectZones(id) {
  const svg = document.getElementById("zones");
  const save = document.getElementById("zone-save");
  const zones = JSON.parse(page.dataset.zones);
  let kind = "";
  let corners = [];

  const add = (name, attributes) => {
    const shape = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) shape.setAttribute(key, value);
    svg.append(shape);
  };
  const draw = () => {
    svg.replaceChildren();
    for (const name of ["include", "exclude"]) {
      for (const polygon of zones[name]) add("polygon", { points: polygon.join(" "), class: name });
    }
    if (corners.length) add("polyline", { points: corners.join(" ") });
    const box = svg.getBoundingClientRect();
    for (const [x, y] of corners) add("ellipse", { cx: x, cy: y, rx: 5 / box.width, ry: 5 / box.height, fill: "#fff" });
  };
  const close = () => {
    if (!corners.length) return false;
    if (corners.length < 3) {
      toast(t("polygon-small"));
      return;
    }
    zones[kind].push(corners);
    corners = [];
    save.disabled = false;
    draw();
  };
  for (const button of page.querySelectorAll("[data-zone]")) {
    button.addEventListener("click", () => {
      kind = kind === button.dataset.zone ? "" : button.dataset.zone;
      corners = [];
      for (const other of page.querySelectorAll("[data-zone]")) {
        other.setAttribute("aria-pressed", String(other.dataset.zone === kind));
      }
      svg.classList.toggle("drawing", Boolean(kind));
      draw();
    });
  }
  svg.addEventListener("click", (event) => {
    if (!kind) return;
    const box = svg.getBoundingClientRect();
    const share = (value) => Number(Math.min(1, Math.max(0, value)).toFixed(4));
    const corner = [share((event.clientX - box.left) / box.width), share((event.clientY - box.top) / box.height)];
    if (corners.length >= 3) {
      const [x, y] = corners[0];
      if (Math.hypot((corner[0] - x) * box.width, (corner[1] - y) * box.height) < 12) {
        close();
        return;
      }
    }
    corners.push(corner);
    draw();
  });
  document.getElementById("zone-undo").addEventListener("click", () => {
    corners.pop();
    draw();
  });
  document.getElementById("zone-clear").addEventListener("click", () => {
    corners = [];
    zones.include = [];
    zones.exclude = [];
    save.disabled = false;
    draw();
  });
  save.addEventListener("click", async () => {
    close();
    try {
      await send("PATCH", `/api/cameras/${id}`, zones);
      save.disabled = true;
      toast(t("saved"));
    } catch (error) {
      toast(t("failed", { error: error.message }));
    }
  });
  onKey({ Enter: (event) => (event.target.closest("button, a, summary") ? false : close()) });
  draw();
}
