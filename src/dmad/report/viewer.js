"use strict";
// The strongest events' pictures, enlarged: one after the other, by button or arrow key.
(() => {
  const byId = (id) => document.getElementById(id);
  const box = byId("viewer");
  const buttons = [...document.querySelectorAll(".enlarge")];
  let at = 0;
  const turn = (index) => {
    at = (index + buttons.length) % buttons.length;
    const figure = buttons[at].closest("figure");
    const [image, words] = [figure.querySelector("img"), figure.querySelector("figcaption")];
    byId("viewer-image").src = image.src;
    byId("viewer-image").alt = image.alt;
    box.style.setProperty("--natural", `${image.getAttribute("width")}px`);
    const tiles = [...figure.querySelectorAll(".tiles > *")].map((tile) => tile.cloneNode(true));
    box.querySelector(".tiles").replaceChildren(...tiles);
    box.style.setProperty("--tiles", tiles.length || 1);
    byId("viewer-title").textContent = figure.querySelector("h3").textContent;
    byId("viewer-caption").textContent = words ? words.textContent : "";
  };
  buttons.forEach((button, i) => { button.onclick = () => { turn(i); box.showModal(); }; });
  byId("viewer-previous").onclick = () => turn(at - 1);
  byId("viewer-next").onclick = () => turn(at + 1);
  byId("viewer-close").onclick = () => box.close();
  box.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft" && event.target.className !== "stage") turn(at - 1);
    if (event.key === "ArrowRight" && event.target.className !== "stage") turn(at + 1);
  });
  box.addEventListener("close", () => buttons[at].focus());
})();
