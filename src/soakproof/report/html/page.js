"use strict";
// Only what moves: without this script the page says the same.
(() => {
  const make = (tag, attributes, text) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    if (text) made.textContent = text;
    return made;
  };

  // The gate: all criteria, or those that are not PASS.
  const gate = document.getElementById("gate");
  if (gate) {
    const label = make("label", { class: "filter" }, "Show ");
    const choice = make("select", { id: "gate-filter" });
    for (const [value, text] of [["all", "all criteria"], ["open", "what is not PASS"]])
      choice.append(make("option", { value }, text));
    label.append(choice);
    gate.parentElement.before(label);
    choice.addEventListener("change", () => {
      for (const row of gate.tBodies[0].rows)
        row.hidden = choice.value === "open" && row.dataset.verdict === "PASS";
    });
  }

  // What a slice of the run says, from the table of the slices.
  const table = document.getElementById("slices");
  const heads = table ? [...table.tHead.rows[0].cells].map((cell) => cell.textContent) : [];
  const slices = table
    ? [...table.tBodies[0].rows].map((row) => {
        const cells = [...row.cells].map((cell) => cell.textContent);
        const [begin, end] = cells[0].split(" to ").map(Number);
        const said = cells.slice(1).map((text, at) => [heads[at + 1], text]);
        const told = said.filter(([, text]) => text && !["0", "0.0", "absent", "none asked"].includes(text));
        return { begin, end, words: `${cells[0]} s: ` + (told.map(([head, text]) => `${head} ${text}`).join(", ") || "nothing") };
      })
    : [];

  for (const figure of document.querySelectorAll("figure")) {
    const svg = figure.querySelector("svg");
    const cursor = svg.querySelector(".cursor");
    const { left, right, low, high } = Object.fromEntries(
      Object.entries(svg.dataset).map(([name, value]) => [name, Number(value)]),
    );
    const readout = make("output", { "aria-live": "polite" });
    figure.querySelector(".scroll").after(readout);
    let at = -1;

    const show = (slice) => {
      const middle = Math.min(Math.max((slice.begin + slice.end) / 2, low), high);
      const x = left + ((middle - low) / (high - low || 1)) * (right - left);
      cursor.setAttribute("x1", x);
      cursor.setAttribute("x2", x);
      cursor.style.visibility = "visible";
      readout.textContent = slice.words;
    };
    const hide = () => {
      cursor.style.visibility = "hidden";
      readout.textContent = "";
    };
    svg.addEventListener("pointermove", (event) => {
      const matrix = svg.getScreenCTM();
      const x = (event.clientX - matrix.e) / matrix.a;
      const second = low + ((x - left) / (right - left)) * (high - low);
      at = slices.findIndex((slice) => second >= slice.begin && second < slice.end);
      at < 0 || x < left || x > right ? hide() : show(slices[at]);
    });
    svg.addEventListener("pointerleave", hide);

    // Zoom is the width of the picture: the region around it scrolls.
    let width = 1;
    const region = figure.querySelector(".scroll");
    const zoom = (to) => {
      const middle = (region.scrollLeft + region.clientWidth / 2) / region.scrollWidth;
      width = Math.min(8, Math.max(1, to));
      svg.style.width = `${width * 100}%`;
      region.scrollLeft = middle * region.scrollWidth - region.clientWidth / 2;
    };
    const tools = make("div", { class: "tools" });
    for (const [text, label, action] of [
      ["−", "smaller", () => zoom(width / 1.5)],
      ["+", "larger", () => zoom(width * 1.5)],
    ]) {
      const button = make("button", { type: "button", "aria-label": `${label}: ${figure.querySelector("h3").textContent}` }, text);
      button.addEventListener("click", action);
      tools.append(button);
    }
    figure.prepend(tools);

    region.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step || event.target !== region || width > 1) return;
      event.preventDefault();
      at = Math.min(slices.length - 1, Math.max(0, at + step));
      if (slices[at]) show(slices[at]);
    });
    region.addEventListener("blur", hide);

    // The legend: what is chosen there is hidden or shown. An image has no buttons, a group has.
    svg.setAttribute("role", "group");
    for (const entry of svg.querySelectorAll(".entry")) {
      const name = entry.dataset.toggles;
      for (const [key, value] of [["role", "button"], ["tabindex", "0"], ["aria-pressed", "true"]])
        entry.setAttribute(key, value);
      const toggle = () => {
        const on = entry.getAttribute("aria-pressed") === "false";
        entry.setAttribute("aria-pressed", String(on));
        for (const drawn of svg.querySelectorAll(`.${CSS.escape(name)}`))
          if (!drawn.closest(".entry")) drawn.classList.toggle("off", !on);
      };
      entry.addEventListener("click", toggle);
      entry.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        toggle();
      });
    }
  }

  // Paper cannot be unfolded.
  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details")) details.open = true;
  });
})();
