"use strict";
/** The data of the page, read once. */
const pageData = (() => {
  let found;
  return () => (found ??= JSON.parse(document.getElementById("page-data").textContent));
})();

/** An element with attributes and children; a string child is text, never HTML. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** Whether the page is dark now: as its button says, or else as the system does. */
function isDark() {
  const said = document.documentElement.dataset.theme;
  return said ? said === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-theme-button]")) return;
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  document.dispatchEvent(new CustomEvent("theme"));
});
