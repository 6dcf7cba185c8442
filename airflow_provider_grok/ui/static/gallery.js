// Big view with arrow keys, comparison with the source, copying ids, loading more cards, links out of Airflow's frame.
"use strict";
(() => {
  const outer = () => {
    try {
      return window.parent !== window ? window.parent.document : document;
    } catch {
      return document;
    }
  };

  // Airflow's frame lets no window open from inside: the anchor is made, and clicked, outside of it.
  const follow = (href, changes) => {
    const page = outer();
    const anchor = Object.assign(page.createElement("a"), { href, rel: "noopener noreferrer" }, changes);
    page.body.append(anchor);
    anchor.click();
    anchor.remove();
  };

  const copy = async (text, button) => {
    let done = false;
    try {
      await navigator.clipboard.writeText(text);
      done = true;
    } catch {
      // Without https there is no clipboard; a selection can still be copied.
      const field = Object.assign(document.createElement("textarea"), { value: text, className: "unseen" });
      (document.querySelector("dialog[open]") || document.body).append(field);
      field.select();
      done = document.execCommand("copy");
      field.remove();
    }
    const label = button.textContent;
    button.textContent = done ? "copied" : text;
    setTimeout(() => { button.textContent = label; }, 1500);
  };

  const gone = (media) => {
    const words = document.createElement("p");
    words.textContent = "It cannot be loaded: the link or the file has ended, or it may not be shown.";
    const box = Object.assign(document.createElement("div"), { className: "none" });
    box.append(words);
    media.replaceWith(box);
  };
  document.addEventListener("error", (event) => {
    const media = event.target;
    if (media instanceof HTMLImageElement || media instanceof HTMLVideoElement) gone(media);
  }, true);

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (link && link.classList.contains("outward")) {
      event.preventDefault();
      follow(link.href, { target: "_blank" });
    } else if (link && link.classList.contains("download")) {
      event.preventDefault();
      follow(link.href, { download: "" });
    } else if (link && link.dataset.airflow && outer() !== document) {
      event.preventDefault();
      follow(new URL(link.dataset.airflow, outer().baseURI).href, { target: "_top" });
    }
    const button = event.target.closest("button.copy");
    if (button) copy(button.dataset.copy, button);
  });

  const cards = document.getElementById("cards");
  const big = document.getElementById("big");
  if (!cards || !big) return;
  // Arrow keys are dead until the frame has the focus.
  window.focus();

  const every = () => [...cards.querySelectorAll(".card")];
  let shown = null;
  let comparing = false;
  let loading = null;

  const more = () => {
    const link = cards.querySelector("a.more");
    if (!link) return Promise.resolve(false);
    loading ??= fetch(link.href, { credentials: "same-origin" })
      .then((answer) => (answer.ok ? answer.text() : Promise.reject(new Error(String(answer.status)))))
      .then((html) => {
        const part = new DOMParser().parseFromString(html, "text/html");
        link.replaceWith(...part.body.childNodes);
        watch();
        return true;
      })
      .catch(() => {
        link.textContent = "More could not be loaded. Try again";
        return false;
      })
      .finally(() => { loading = null; });
    return loading;
  };
  const near = new IntersectionObserver((seen) => {
    if (seen.some((entry) => entry.isIntersecting)) more();
  }, { rootMargin: "1200px" });
  const watch = () => {
    near.disconnect();
    const link = cards.querySelector("a.more");
    if (link) near.observe(link);
  };
  watch();
  cards.addEventListener("click", (event) => {
    if (event.target.closest("a.more")) {
      event.preventDefault();
      more();
    }
  });

  const picture = (src, name) => Object.assign(new Image(), { src, alt: name, referrerPolicy: "no-referrer" });
  const stage = big.querySelector(".stage");
  const control = (name) => big.querySelector(`[data-do="${name}"]`);

  const compare = (data) => {
    const box = Object.assign(document.createElement("div"), { className: "compare" });
    const after = picture(data.src, data.name);
    const before = picture(data.source, "source");
    before.className = "over";
    const slider = Object.assign(document.createElement("input"), { type: "range", min: 0, max: 100, value: 50 });
    slider.setAttribute("aria-label", "Left of here the source, right of here the result");
    const cut = () => { before.style.clipPath = `inset(0 ${100 - slider.value}% 0 0)`; };
    slider.addEventListener("input", cut);
    cut();
    box.append(after, before, slider);
    return box;
  };

  const show = (card) => {
    shown = card;
    const data = card.dataset;
    let content;
    if (!data.src) {
      content = card.querySelector(".after .none").cloneNode(true);
    } else if (data.kind === "video") {
      content = Object.assign(document.createElement("video"), { src: data.src, controls: true, playsInline: true });
    } else {
      content = comparing && data.source ? compare(data) : picture(data.src, data.name);
    }
    stage.replaceChildren(content);
    const prompt = card.querySelector(".prompt");
    big.querySelector(".caption").textContent = `${data.number}. ${prompt ? prompt.textContent : data.name}`;
    control("compare").hidden = !data.source;
    control("compare").setAttribute("aria-pressed", String(comparing));
    control("copy").hidden = !data.file;
    control("link").hidden = !data.link;
    if (data.link) control("link").href = data.link;
    if (!big.open) big.showModal();
  };

  const step = async (by) => {
    let list = every();
    let next = list.indexOf(shown) + by;
    if (next >= list.length && (await more())) list = every();
    next = Math.min(Math.max(next, 0), list.length - 1);
    show(list[next]);
  };

  cards.addEventListener("click", (event) => {
    const card = event.target.closest(".card");
    if (card && !event.target.closest("details, a, button, video, input")) show(card);
  });
  cards.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.classList.contains("card")) show(event.target);
  });
  big.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do]");
    const doing = button && button.dataset.do;
    if (doing === "previous") step(-1);
    if (doing === "next") step(1);
    if (doing === "close" || event.target === big) big.close();
    if (doing === "copy") copy(shown.dataset.file, button);
    if (doing === "compare") {
      comparing = !comparing;
      show(shown);
    }
  });
  big.addEventListener("close", () => {
    stage.replaceChildren();
    if (shown) shown.focus();
  });
  document.addEventListener("keydown", (event) => {
    if (!big.open || event.target.type === "range") return;
    if (event.key === "ArrowRight") step(1);
    if (event.key === "ArrowLeft") step(-1);
  });
})();
