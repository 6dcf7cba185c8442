// Follows the theme of the Airflow page around this one; alone, that of the browser.
"use strict";
(() => {
  const here = document.documentElement;
  const apply = () => {
    let outside = "";
    try {
      if (window.parent !== window) outside = window.parent.document.documentElement.className;
    } catch {
      outside = "";
    }
    const dark = outside ? /\bdark\b/.test(outside) : window.matchMedia("(prefers-color-scheme: dark)").matches;
    here.dataset.theme = dark ? "dark" : "light";
  };
  apply();
  try {
    if (window.parent !== window) {
      const options = { attributes: true, attributeFilter: ["class"] };
      new MutationObserver(apply).observe(window.parent.document.documentElement, options);
    }
  } catch {
    // A page of another origin around this one keeps its theme to itself.
  }
})();
