"use strict";
(() => {
  // The table: a press on a heading sorts, another turns it round; blanks stay last.
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    const body = table.tBodies[0];
    heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      const value = (row) => row.cells[column].dataset.v;
      const numeric = [...body.rows].every((row) => value(row) === "" || !isNaN(value(row)));
      const compare = (a, b) => {
        const [x, y] = [value(a), value(b)];
        if (x === "" || y === "") return (x === "") - (y === "");
        const order = numeric ? x - y : x.localeCompare(y);
        return down ? -order : order;
      };
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      body.append(...[...body.rows].sort(compare));
    }));
    heads[1].setAttribute("aria-sort", "ascending");
  }

  const { text: passage, rungs, say } = JSON.parse(document.getElementById("data").textContent);
  const shade = document.getElementById("shade");
  if (!shade || !rungs.length) return;
  const tip = document.getElementById("tip");
  const limits = { byte: [0.25, 0.5, 1, 1.5, 2.5, 4, 6], token: [0.5, 1, 2, 4, 6, 9, 12] };
  const letters = Array.from(passage);
  const level = (bits) => limits[shade.value].filter((limit) => bits >= limit).length;
  const visible = (text) => text.replace(/ /g, "␣").replace(/\n/g, "↵").replace(/\t/g, "⇥").replace(/\r/g, "␍").replace(/\ufffd/g, "▯");
  const make = (tag, name, text) => {
    const element = document.createElement(tag);
    if (name) element.className = name;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const percent = (p) => p >= 0.0995 ? (100 * p).toFixed(0) + "%" : p >= 1e-5 ? parseFloat((100 * p).toPrecision(2)) + "%" : "<0.001%";
  const panes = ["upper", "lower"].map((id) => document.getElementById(id));

  // Text as it stands, with newlines and tabs also seen.
  const fill = (element, text) => {
    for (const part of text.split(/(\n|\t|\ufffd)/)) {
      if (part === "\n") element.append(make("span", "mark", "↵"), "\n");
      else if (part === "\t") element.append(make("span", "mark", "⇥"), "\t");
      else if (part === "\ufffd") element.append(make("span", "mark", "▯"));
      else if (part) element.append(part);
    }
  };
  const draw = (pane) => {
    const rung = rungs[pane.querySelector("select").value];
    const box = pane.querySelector(".tokens");
    box.replaceChildren();
    pane.querySelector(".total").textContent = rung.note;
    let glyph = null, begun = -1;
    rung.t.forEach((token, index) => {
      const [start, end, pieces, bytes, bits] = token;
      const text = letters.slice(start, end).join("");
      const mine = level(shade.value === "byte" ? bits / Math.max(1, bytes) : bits);
      const span = make("span", "t h" + mine);
      span.tabIndex = index ? -1 : 0;
      Object.assign(span, { rung, token, letters: text });
      if (pieces === 1) {
        fill(span, text);
        box.append(span);
        return;
      }
      // Pieces of one character: slivers under its face.
      if (begun !== start) {
        glyph = make("span", "glyph");
        glyph.slivers = make("span", "slivers");
        const face = make("span", "face");
        fill(face, text);
        glyph.append(glyph.slivers, face);
        box.append(glyph);
      }
      begun = start;
      glyph.slivers.append(span);
    });
  };
  const ramp = () => {
    const box = document.querySelector(".ramp");
    box.replaceChildren(...[0, ...limits[shade.value]].map((limit, index) =>
      make("span", "t h" + index, index === 7 ? limit + "+" : String(limit))));
  };

  const clear = () => {
    tip.hidden = true;
    for (const span of document.querySelectorAll(".t.on, .t.also")) span.classList.remove("on", "also");
  };
  const show = (span) => {
    clear();
    const [start, end, pieces, , bits, p, decided, others] = span.token;
    span.classList.add("on");
    for (const other of document.querySelectorAll(".reading .t")) {
      if (other.rung !== span.rung && other.token[0] < end && other.token[1] > start) other.classList.add("also");
    }
    tip.replaceChildren();
    const name = make("div", "token", visible(span.letters));
    if (pieces > 1) name.prepend(make("span", "quiet small", say.fragment.replace("{n}", pieces) + " "));
    tip.append(name, make("div", "", say.probability + " " + percent(p) + " · " + say.surprisal.replace("{n}", bits.toFixed(2))));
    if (decided) tip.append(make("div", "quiet", say.decided + " " + decided));
    if (others.length) {
      tip.append(make("div", "quiet small", say.alternatives));
      const table = make("table");
      for (let i = 0; i < others.length; i += 2) {
        const row = table.insertRow();
        const same = pieces === 1 && others[i] === span.letters;
        if (same) row.className = "chosen";
        row.insertCell().append(make("code", "", visible(others[i])));
        const number = row.insertCell();
        number.className = "number";
        number.textContent = percent(others[i + 1]);
        const bar = row.insertCell();
        bar.className = "bar";
        const fillBar = make("span");
        fillBar.style.width = 100 * others[i + 1] + "%";
        bar.append(fillBar);
      }
      tip.append(table);
    }
    tip.hidden = false;
    const at = span.getClientRects()[0] || span.getBoundingClientRect();
    const wide = document.documentElement.clientWidth;
    const left = Math.max(8, Math.min(at.left, wide - tip.offsetWidth - 8));
    const under = at.bottom + 8 + tip.offsetHeight <= window.innerHeight || at.top < tip.offsetHeight + 8;
    tip.style.left = left + window.scrollX + "px";
    tip.style.top = (under ? at.bottom + 8 : at.top - tip.offsetHeight - 8) + window.scrollY + "px";
  };

  panes.forEach((pane, index) => {
    const select = pane.querySelector("select");
    const box = pane.querySelector(".tokens");
    select.value = String(Math.min(index, rungs.length - 1));
    select.addEventListener("change", () => { clear(); draw(pane); });
    const reach = (event) => event.target.closest(".t");
    box.addEventListener("mouseover", (event) => { const span = reach(event); if (span) show(span); });
    box.addEventListener("mouseleave", clear);
    box.addEventListener("focusin", (event) => { const span = reach(event); if (span) show(span); });
    box.addEventListener("focusout", clear);
    box.addEventListener("click", (event) => { const span = reach(event); if (span) { span.focus({ preventScroll: true }); show(span); } });
    box.addEventListener("keydown", (event) => {
      const all = [...box.querySelectorAll(".t")];
      const here = all.indexOf(document.activeElement);
      const to = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: all.length - 1 }[event.key];
      if (event.key === "Escape") clear();
      if (to === undefined || !all[to]) return;
      event.preventDefault();
      all[here].tabIndex = -1;
      all[to].tabIndex = 0;
      all[to].focus();
    });
    draw(pane);
  });
  shade.addEventListener("change", () => { clear(); ramp(); panes.forEach(draw); });
  ramp();
})();
