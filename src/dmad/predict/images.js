"use strict";
// Shows only the images with the chosen verdict whose name contains the text.
(() => {
  const filter = document.querySelector(".filter");
  const buttons = [...filter.querySelectorAll("button")];
  const cards = [...document.querySelectorAll(".card")];
  const name = document.getElementById("name");
  let verdict = "all";

  const update = () => {
    const text = name.value.toLowerCase();
    let count = 0;
    for (const card of cards) {
      const fits = verdict === "all" || card.dataset.verdict === verdict;
      card.hidden = !(fits && card.dataset.name.includes(text));
      count += !card.hidden;
    }
    document.getElementById("shown").textContent = `${count} of ${cards.length} shown`;
  };

  for (const button of buttons) {
    button.addEventListener("click", () => {
      verdict = button.dataset.verdict;
      for (const one of buttons) one.setAttribute("aria-pressed", String(one === button));
      update();
    });
  }
  name.addEventListener("input", update);
  filter.hidden = false;
  update();
})();
