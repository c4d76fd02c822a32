"use strict";
// Shows only the events of the chosen camera. The newest or the highest score is first.
(() => {
  const filter = document.querySelector(".filter");
  const list = document.querySelector(".cards");
  const buttons = [...filter.querySelectorAll("button")];
  const cards = [...list.children];
  const camera = document.getElementById("camera");
  const orders = {
    newest: (a, b) => a.dataset.place - b.dataset.place,
    highest: (a, b) => b.dataset.score - a.dataset.score,
  };

  const update = () => {
    let count = 0;
    for (const card of cards) {
      card.hidden = camera.value !== "" && card.dataset.camera !== camera.value;
      count += !card.hidden;
    }
    document.getElementById("shown").textContent = `${count} of ${cards.length} shown`;
  };

  for (const button of buttons) {
    button.addEventListener("click", () => {
      for (const one of buttons) one.setAttribute("aria-pressed", String(one === button));
      list.append(...cards.toSorted(orders[button.dataset.order]));
    });
  }
  camera.addEventListener("change", update);
  filter.hidden = false;
  update();
})();
