// The page of all cameras: live tiles, scores, and the last events.
import { Curve, Tile, connectHeat, connectMarks, listen, refreshEvents, showStatus } from "./common.js";

connectHeat();
connectMarks();
const tiles = new Map();
for (const element of document.querySelectorAll("a.tile")) {
  new Tile(element, 500);
  tiles.set(Number(element.dataset.number), { element, curve: new Curve(element.querySelector(".curve"), JSON.parse(element.dataset.scores)) });
}

listen("status", (cameras) => {
  for (const camera of cameras) {
    const tile = tiles.get(camera.number);
    if (!tile) continue;
    showStatus(tile.element, camera);
    tile.curve.add(camera.time, camera.score, camera.threshold);
  }
});

// When an event begins or ends, the page gets the list of events again from the server.
const list = document.getElementById("events");
listen("event", async (message) => {
  if (message.state === "update") return;
  await refreshEvents(list, "/");
  document.querySelector(".recent").hidden = false;
  for (const card of [...list.children].slice(6)) {
    if (!card.querySelector(".offer")) card.remove(); // in a card with an offer, a person chooses what shall change
  }
});
