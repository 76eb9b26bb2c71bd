// The rules page: fields that offer what fits (arrows, Enter, Esc), and keys that press what bears data-key.
(() => {
  const typing = (target) => target.closest?.("input, textarea, select");
  const listOf = (input) => document.getElementById(input.getAttribute("aria-controls"));
  const options = (input) => [...(listOf(input)?.querySelectorAll("[data-code]") ?? [])];

  function mark(input, chosen) {
    for (const option of options(input)) option.setAttribute("aria-selected", option === chosen ? "true" : "false");
    chosen?.scrollIntoView({ block: "nearest" });
    if (chosen) input.setAttribute("aria-activedescendant", chosen.id);
    else input.removeAttribute("aria-activedescendant");
  }
  function close(input) {
    const list = listOf(input);
    if (list) list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }
  function offered(id) {
    const input = document.querySelector(`[aria-controls="${id}"]`);
    const list = document.getElementById(id);
    if (!input || !list) return;
    list.hidden = document.activeElement !== input || !list.children.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
    mark(input, options(input)[0]);
  }

  // What the page's elements tell the server.
  const fields = (form) => Object.fromEntries(new FormData(form));
  function later(holder, wait, then) {
    clearTimeout(holder.waits);
    holder.waits = setTimeout(then, wait);
  }
  const asked = (event, selector, emit) => {
    const found = event.target.closest(selector);
    if (found) emit(found.dataset);
  };
  window.rules = {
    offered,
    asked,
    typed: (event, emit) => later(event.target, 90, () => emit(event.target.value)),
    chosen: (event, emit) => {
      const option = event.target.closest("[data-code]");
      if (option) emit(option.dataset.code);
    },
    form: (event, emit) => {
      const form = event.target.form;
      if (form) later(form, event.target.type === "search" ? 120 : 0, () => emit(fields(form)));
    },
    sent: (event, emit) => {
      event.preventDefault();
      if (event.submitter) event.submitter.disabled = true;
      emit(fields(event.target));
    },
    opened: (event, emit) => {
      const link = event.target.closest("a[data-open]");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      emit(link.getAttribute("href"));
    },
    picked: (event, emit) => {
      const table = event.target.closest("[data-table]");
      if (table) emit(table.dataset.table);
      if (event.target.closest("[data-pick]")) document.querySelector(".rules-hidden input[type=file]").click();
    },
  };

  document.addEventListener("keydown", (event) => {
    const input = event.target.closest?.("[role=combobox]");
    if (!input || event.isComposing) return;
    const found = options(input);
    const at = found.findIndex((option) => option.getAttribute("aria-selected") === "true");
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const by = event.key === "ArrowDown" ? 1 : -1;
      if (found.length) mark(input, found[(at + by + found.length) % found.length]);
    } else if (event.key === "Enter" && found.length && !listOf(input).hidden) {
      event.preventDefault();
      found[Math.max(at, 0)].click();
    } else if (event.key === "Escape") close(input);
  });
  document.addEventListener("click", (event) => {
    const option = event.target.closest?.(".picker [data-code]");
    if (!option) return;
    const input = document.querySelector(`[aria-controls="${option.parentElement.id}"]`);
    input.value = option.dataset.name;
    close(input);
  });
  document.addEventListener("mousedown", (event) => {
    if (event.target.closest?.(".picker li")) event.preventDefault();
  });
  document.addEventListener("focusout", (event) => {
    if (event.target.matches?.("[role=combobox]")) close(event.target);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && typing(event.target)) event.target.blur();
    if (typing(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
    const key = /^[／、]$/.test(event.key) ? "/" : event.key.toLowerCase(); // as an input method or Caps Lock has it
    if (!/^[/a-z]$/.test(key)) return;
    const wanted = document.querySelector(`[data-key="${key}"]`);
    if (!wanted) return;
    event.preventDefault();
    if (typing(wanted)) wanted.focus();
    else wanted.click();
  });
})();
