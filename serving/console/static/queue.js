// The queue by key: the selected line is the one whose link has the focus. It stays selected when lines come and go.
(() => {
  const KEPT = "dispatch_queue_at";
  let at = sessionStorage.getItem(KEPT) || "", index = 0, held = true, asked = 0;
  const links = () => [...document.querySelectorAll("#queue a[data-case]")];
  const field = (target) => target.closest?.("input, textarea, select, [contenteditable=true], dialog");

  function select(link) {
    if (!link) return;
    link.focus({ preventScroll: true });
    link.closest("tr").scrollIntoView({ block: "nearest" });
  }
  function move(by) {
    const all = links(), now = all.findIndex((link) => link.dataset.case === at);
    if (document.activeElement !== all[now]) { select(all[now] || all[0]); return; }
    if (now + by >= all.length && asked !== all.length) { asked = all.length; document.querySelector("[data-test=more]")?.click(); }
    select(all[Math.max(0, now + by)]);
  }
  // After lines were drawn anew: the same case, or what stands in its place.
  function restore() {
    if (!held || (document.activeElement && document.activeElement !== document.body)) return;
    const all = links();
    const link = all.find((one) => one.dataset.case === at) || all[Math.min(index, all.length - 1)];
    link?.focus({ preventScroll: true });
  }

  document.addEventListener("focusin", (event) => {
    const link = event.target.closest?.("#queue a[data-case]");
    held = Boolean(link);
    if (!link) return;
    at = link.dataset.case;
    index = links().indexOf(link);
    sessionStorage.setItem(KEPT, at);
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (field(event.target)) {
      if (event.key === "Escape") { event.target.blur(); held = true; restore(); }
      return;
    }
    const key = event.key.toLowerCase(); // Caps Lock changes nothing
    if (key === "j" || key === "arrowdown") { event.preventDefault(); move(1); }
    else if (key === "k" || key === "arrowup") { event.preventDefault(); move(-1); }
    else if (key === "/" || key === "／" || key === "、") { event.preventDefault(); document.querySelector("[data-test=filter-text]")?.focus(); }
    else if (key === "enter" && event.target === document.body) {
      (links().find((link) => link.dataset.case === at) || links()[0])?.click();
    }
  });

  function watch() {
    const table = document.getElementById("queue");
    if (!table) { setTimeout(watch, 50); return; }
    new MutationObserver(restore).observe(table, { childList: true });
    restore();
  }
  watch();
})();
