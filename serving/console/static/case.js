// The case page: keys, buttons and dialogs become messages to the server; no step on a case is decided here.
(() => {
  const KEYS = /^[1-9１-９/／、crnmsbzCRNMSBZ]$/;
  const typing = (target) => target.closest?.("input, textarea, select, [contenteditable=true]");
  const dialog = () => document.getElementById("step");
  const inside = (query) => dialog()?.querySelector(query);
  // A key counts for the case that was on the screen when it was pressed.
  const send = (what, told) => {
    const shown = document.querySelector("[data-case]");
    if (shown && window.emitEvent) emitEvent("case", { what, case: shown.dataset.case, ...told });
  };
  let wanted = "", awaited = false, timer = 0, counting = 0;

  document.addEventListener("keydown", (event) => {
    if (event.repeat || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (typing(event.target) || document.querySelector("dialog[open]") || !KEYS.test(event.key)) return;
    event.preventDefault();
    send("key", { value: event.key });
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-act]");
    if (button) { send("act", { act: button.dataset.act, value: button.dataset.value ?? "" }); return; }
    if (event.target.closest?.("#step [data-close]")) { dialog().close(); return; }
    const option = event.target.closest?.("#found [data-code]");
    if (option) { mark(option); take(); }
  });

  function options() { return [...(dialog()?.querySelectorAll("#found [data-code]") ?? [])]; }
  function marked() { return inside('#found [aria-selected="true"][data-code]'); }
  function mark(option) {
    for (const one of options()) one.setAttribute("aria-selected", String(one === option));
    inside("[data-search]")?.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  }
  function look() {
    const unit = inside("[name=unit]")?.value ?? marked()?.dataset.code;
    if (unit && inside("#standing")) send("look", { value: unit, category: inside("[name=category]")?.value ?? "" });
  }
  function later(job) { clearTimeout(timer); timer = setTimeout(job, 60); }
  function take() {
    const option = marked(), field = inside("[data-search]");
    if (!option || !field) return;
    if (field.dataset.search === "choose") { send("choose", { value: option.dataset.code }); return; }
    field.value = field.dataset.search === "fill" ? option.dataset.name : "";
    if (field.dataset.search === "pick") pick(option.dataset.code, option.dataset.name);
    inside("#found").replaceChildren();
    wanted = "";
  }
  function pick(code, name) {
    const ticks = inside("[data-picked]"), there = [...ticks.querySelectorAll("[name=units]")].find((one) => one.value === code);
    if (there) { there.checked = true; return; }
    const label = document.createElement("label"), box = document.createElement("input");
    label.className = "tick";
    Object.assign(box, { type: "checkbox", name: "units", value: code, checked: true });
    label.append(box, ` ${name}`);
    ticks.insertBefore(label, ticks.lastElementChild);
  }

  document.addEventListener("input", (event) => {
    if (event.target.matches?.("#step [data-search]")) {
      wanted = event.target.value.trim();
      awaited = false;
      later(() => send("search", { value: wanted }));
    } else if (event.target.matches?.("#step [data-look]")) later(look);
  });
  document.addEventListener("keydown", (event) => {
    if (!event.target.closest?.("#step") || event.isComposing) return;
    if (event.key === "Escape") { event.preventDefault(); dialog().close(); return; } // at once, for the next key
    if (event.key === "Enter" && event.ctrlKey) { event.preventDefault(); event.target.form?.requestSubmit(); return; }
    // Enter in a single tick or choice is as good as the button.
    if (event.key === "Enter" && event.target.matches("select")) { event.preventDefault(); event.target.form.requestSubmit(); return; }
    if (!event.target.matches("[data-search]")) return;
    const all = options(), at = all.indexOf(marked());
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!all.length) return;
      mark(all[(at + (event.key === "ArrowDown" ? 1 : all.length - 1)) % all.length]);
      later(look);
    } else if (event.key === "Enter" && (wanted || event.target.dataset.search === "choose")) {
      const there = inside("#found").dataset.for === wanted;
      if (there && !all.length && event.target.dataset.search === "fill") return; // no unit of the directory
      event.preventDefault();
      if (there) take(); else awaited = wanted !== "";
    }
  });
  document.addEventListener("submit", (event) => {
    const form = event.target.closest?.("#step form");
    if (!form) return;
    event.preventDefault();
    const values = new FormData(form);
    send("form", { value: form.dataset.form, values: Object.fromEntries([...new Set(values.keys())].map((name) => [name, values.getAll(name)])) });
  });

  function count(until) {
    const left = Math.ceil((until - performance.now()) / 1000), shown = document.querySelector(".done .left");
    if (!shown) { clearInterval(counting); return; }
    shown.textContent = left > 0 ? `还剩 ${left} 秒` : "";
    if (left <= 0) { clearInterval(counting); document.querySelector(".done [data-act=undo]")?.remove(); }
  }
  function undoable(seconds) {
    clearInterval(counting);
    const until = performance.now() + 1000 * seconds;
    if (seconds > 0) { counting = setInterval(() => count(until), 500); setTimeout(() => count(until), 0); }
  }

  window.caseDesk = {
    // After the page shows another case, or the same one as it is now.
    shown(url, title, seconds) {
      dialog()?.close();
      history.replaceState(null, "", url);
      document.title = title;
      window.scrollTo(0, 0);
      undoable(seconds);
      if (document.activeElement === document.body) document.getElementById("case-title")?.focus({ preventScroll: true });
    },
    open(html) {
      dialog().innerHTML = html;
      if (!dialog().open) dialog().showModal();
      wanted = ""; awaited = false;
      (inside("[data-focus]") ?? inside("[data-search]") ?? inside("input:not([type=hidden]), textarea, select"))?.focus();
    },
    found(text, html) {
      const list = inside("#found");
      if (!list || text !== wanted) return;
      list.innerHTML = html;
      list.dataset.for = text;
      const first = options()[0];
      if (first) mark(first); else inside("#standing")?.replaceChildren();
      if (awaited) { awaited = false; take(); } else look();
    },
    categories(html) {
      const list = document.createElement("datalist");
      list.id = "categories";
      list.innerHTML = html;
      document.body.append(list);
    },
    standing(html) { const pane = inside("#standing"); if (pane) pane.innerHTML = html; },
    alert(text) { const pane = inside(".alert"); if (pane) pane.textContent = text; },
  };
})();
