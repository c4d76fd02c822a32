"use strict";
// Shows enlarged pictures of events. Buttons and arrow keys show the next or previous picture.
(() => {
  const byId = (id) => document.getElementById(id);
  const box = byId("viewer");
  const buttons = [...document.querySelectorAll(".enlarge")];
  let current = 0;
  const showPicture = (index) => {
    current = (index + buttons.length) % buttons.length;
    const figure = buttons[current].closest("figure");
    const [image, caption] = [figure.querySelector("img"), figure.querySelector("figcaption")];
    byId("viewer-image").src = image.src;
    byId("viewer-image").alt = image.alt;
    box.style.setProperty("--natural", `${image.getAttribute("width")}px`);
    const tiles = [...figure.querySelectorAll(".tiles > *")].map((tile) => tile.cloneNode(true));
    box.querySelector(".tiles").replaceChildren(...tiles);
    box.style.setProperty("--tiles", tiles.length || 1);
    byId("viewer-title").textContent = figure.querySelector("h3").textContent;
    byId("viewer-caption").textContent = caption ? caption.textContent : "";
  };
  buttons.forEach((button, i) => { button.onclick = () => { showPicture(i); box.showModal(); }; });
  byId("viewer-previous").onclick = () => showPicture(current - 1);
  byId("viewer-next").onclick = () => showPicture(current + 1);
  byId("viewer-close").onclick = () => box.close();
  box.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft" && event.target.className !== "stage") showPicture(current - 1);
    if (event.key === "ArrowRight" && event.target.className !== "stage") showPicture(current + 1);
  });
  box.addEventListener("close", () => buttons[current].focus());
})();
