"use strict";
(() => {
  const status = document.getElementById("said");
  const say = (text) => {
    status.textContent = "";
    // A screen reader only reads what changes.
    setTimeout(() => { status.textContent = text; }, 50);
  };

  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Over plain HTTP there is no clipboard to write to.
      const field = document.createElement("textarea");
      field.value = text;
      field.className = "vh";
      document.body.append(field);
      field.select();
      const copied = document.execCommand("copy");
      field.remove();
      return copied;
    }
  };

  const textOf = (button) => {
    if ("copyAll" in button.dataset) {
      return [...document.querySelectorAll(button.dataset.copyAll)].map((link) => `${link.dataset.id}\t${link.href}`).join("\n");
    }
    const source = document.getElementById(button.dataset.copy);
    return source.value ?? source.href ?? source.textContent;
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest(".copy");
    if (!button) return;
    const copied = await copy(textOf(button));
    button.focus({ preventScroll: true });
    const label = button.firstChild;
    button.dataset.label ??= label.data;
    button.style.minWidth = `${button.offsetWidth}px`;
    label.data = copied ? "Copied" : "Not copied";
    say(copied ? button.closest("[data-said]")?.dataset.said ?? "Link copied" : "Not copied. Select the text and copy it.");
    clearTimeout(button.timer);
    button.timer = setTimeout(() => { label.data = button.dataset.label; }, 2000);
  });

  document.addEventListener("focusin", ({ target }) => {
    if (target.readOnly) target.select();
  });

  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "Enter" && event.target.matches("textarea")) event.target.form.requestSubmit();
  });
})();
