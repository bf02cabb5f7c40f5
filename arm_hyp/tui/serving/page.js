"use strict";
// Before textual.js makes the terminal: letters so small that 80 columns and 24 rows have room, where the window has none.
const element = document.getElementById("terminal");
const fitting = Math.min(innerWidth / 80 / 0.62, innerHeight / 24.5 / 1.33);
element.dataset.fontSize = String(Math.max(5, Math.min(16, Math.floor(fitting))));

// The keys are the terminal's as soon as it is connected; a click on the page gives them back.
const focus = () => document.querySelector(".xterm-helper-textarea")?.focus();
const connected = new MutationObserver(() => {
  if (!document.body.classList.contains("-loaded")) return;
  connected.disconnect();
  focus();
});
connected.observe(document.body, { attributeFilter: ["class"] });
addEventListener("click", focus);
