"use strict";
// Lists the events and the files that were left out, a page of them at a time.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const EVENTS_AT_ONCE = 48;
  const FILES_AT_ONCE = 100;
  // The entries of an event.
  const [PATH, VIEW, START, END, SCORE, WHY, RECORDED, PICTURE, FILM] = [0, 1, 2, 3, 4, 5, 6, 7, 8];

  const element = (tag, className, text) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };

  // Shows the rows of a list that `draw` makes elements of, page by page.
  const paged = (place, pager, size, draw) => {
    let rows = [];
    let page = 0;
    const [previous, next] = pager.querySelectorAll("button");
    const show = () => {
      const pages = Math.max(1, Math.ceil(rows.length / size));
      place.replaceChildren(...rows.slice(page * size, (page + 1) * size).map(draw));
      pager.hidden = pages === 1;
      pager.querySelector("span").textContent = `page ${page + 1} of ${pages}`;
      previous.disabled = page === 0;
      next.disabled = page === pages - 1;
    };
    for (const button of [previous, next]) {
      button.addEventListener("click", () => {
        page += Number(button.dataset.step);
        show();
        place.scrollIntoView({ block: "start" });
      });
    }
    return (found) => {
      rows = found;
      page = 0;
      show();
    };
  };

  const clock = (seconds) => {
    const whole = Math.floor(seconds);
    const two = (number) => String(number).padStart(2, "0");
    const hours = Math.floor(whole / 3600);
    const rest = `${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
    return hours ? `${hours}:${rest}` : rest;
  };

  const times = (event) => {
    if (!data.video) return event[START] ? `image ${event[START] + 1} of the file` : "";
    const [start, end] = [clock(event[START]), clock(event[END])];
    return start === end ? `at ${start}` : `${start} to ${end}`;
  };

  const card = (event) => {
    const made = element("li", "card");
    const address = event[FILM] ? `films/${event[FILM]}.mp4` : `pictures/${event[PICTURE]}.webp`;
    const picture = element(event[PICTURE] ? "a" : "div", "picture");
    if (event[PICTURE]) {
      picture.href = address;
      const image = element("img");
      image.src = `pictures/${event[PICTURE]}.webp`;
      image.loading = "lazy";
      image.alt = `${event[PATH]}, ${times(event)}, with heat over it`;
      picture.append(image);
    } else {
      picture.append(element("span", "none", "no picture"));
    }
    const what = element("p", "what");
    what.append(element("strong", "value", event[SCORE].toPrecision(3)));
    if (event[WHY]) what.append(" ", element("span", `why ${event[WHY]}`, event[WHY]));
    const where = element("p", "where");
    where.append(element("bdi", "", event[PATH].split("::")[0].split("/").pop()), ` ${times(event)}`);
    const more = element("p", "small");
    more.append(element("bdi", "", event[VIEW]), event[RECORDED] ? `, ${event[RECORDED].replace("T", " ")}` : "");
    more.title = event[PATH];
    made.append(picture, what, where, more);
    return made;
  };

  const filter = document.querySelector(".filter");
  if (filter) {
    const showEvents = paged(document.getElementById("cards"), document.getElementById("pager"), EVENTS_AT_ONCE, card);
    const view = document.getElementById("view");
    const name = document.getElementById("name");
    const chosen = document.getElementById("chosen");
    const orders = [...filter.querySelectorAll("[data-order]")];
    const newest = data.events.toSorted((a, b) => (a[RECORDED] < b[RECORDED]) - (a[RECORDED] > b[RECORDED]));
    let order = "strongest";
    let day = "";
    let hour = "";

    const update = () => {
      const text = name.value.toLowerCase();
      const found = (order === "newest" ? newest : data.events).filter(
        (event) =>
          (!view.value || event[VIEW] === view.value) &&
          (!day || event[RECORDED].startsWith(day)) &&
          (!hour || event[RECORDED].slice(11, 13) === hour) &&
          (!text || event[PATH].toLowerCase().includes(text)),
      );
      chosen.hidden = !(day || hour);
      chosen.querySelector("span").textContent = [day, hour && `${Number(hour)} h`].filter(Boolean).join(", ");
      document.getElementById("shown").textContent = `${found.length} of ${data.events.length} ${data.video ? "events" : "images"}`;
      showEvents(found);
    };

    for (const button of orders) {
      button.addEventListener("click", () => {
        order = button.dataset.order;
        for (const one of orders) one.setAttribute("aria-pressed", String(one === button));
        update();
      });
    }
    for (const cell of document.querySelectorAll("button.cell")) {
      cell.addEventListener("click", () => {
        day = cell.dataset.day ?? "";
        hour = cell.dataset.hour === undefined ? "" : cell.dataset.hour.padStart(2, "0");
        view.value = cell.dataset.view ?? "";
        update();
        document.querySelector(".events").scrollIntoView();
      });
    }
    chosen.querySelector("button").addEventListener("click", () => {
      day = hour = "";
      update();
    });
    view.addEventListener("change", update);
    name.addEventListener("input", update);
    filter.hidden = false;
    update();
  }

  const left = document.getElementById("left");
  if (left) {
    const row = ([path, reason]) => {
      const made = element("tr");
      made.append(element("td", "", path), element("td", "", reason));
      return made;
    };
    paged(left.tBodies[0], document.getElementById("left-pager"), FILES_AT_ONCE, row)(data.left);
  }
})();
