// Keys that work on every page, the theme, and whether the connection holds. No step on a case is taken here.
(() => {
  const THEME = "dispatch_theme";
  const typing = (target) => target.closest?.("input, textarea, select, [contenteditable=true]");
  let after = "";

  function theme() {
    const dark = !document.body.classList.contains("body--dark");
    window.setDark(dark);
    document.cookie = `${THEME}=${dark ? "dark" : "light"}; path=/console; max-age=31536000; samesite=strict`;
  }
  function help() {
    const dialog = document.getElementById("keys");
    if (dialog && !dialog.open) dialog.showModal();
  }
  function go(key) {
    const link = document.querySelector(`[data-go="${key}"]`);
    if (link) window.location = link.href;
  }

  document.addEventListener("keydown", (event) => {
    if (typing(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.toLowerCase(); // Caps Lock changes nothing
    if (after === "g" && /^[a-z]$/.test(key)) { after = ""; event.stopImmediatePropagation(); go(key); return; }
    after = key;
    if (key === "t" && !event.repeat) theme();
    if (key === "?" || key === "？") help();
  }, true);
  document.addEventListener("click", (event) => {
    const wanted = event.target.closest?.("[data-do]")?.dataset.do;
    if (wanted === "theme") theme();
    if (wanted === "help") help();
  });

  function connection() {
    const socket = window.socket;
    if (!socket) { setTimeout(connection, 300); return; }
    const shown = () => document.getElementById("connection");
    socket.on("disconnect", () => { if (shown()) shown().textContent = "连接中断，正在重连；未提交的操作请稍后重做"; });
    socket.on("connect", () => { if (shown()) shown().textContent = ""; });
  }
  connection();
})();
