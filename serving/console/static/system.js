// Forms of the system page: asked about where it matters, sent once, and their button awake again when answered.
window.system = {
  sent(event, emit) {
    const form = event.target.closest("form[data-step]");
    if (!form) return;
    event.preventDefault();
    const button = event.submitter ?? form.querySelector("button");
    if (this.form || (button.dataset.confirm && !window.confirm(button.dataset.confirm))) return;
    const told = Object.fromEntries(new FormData(form, event.submitter));
    button.disabled = true;
    button.dataset.rest = button.textContent;
    if (button.dataset.busy) button.textContent = button.dataset.busy;
    this.form = form;
    emit({ ...told, step: form.dataset.step });
  },
  ready(done) {
    if (done) this.form?.reset();
    this.form = null;
    for (const button of document.querySelectorAll("form[data-step] button:disabled")) {
      button.disabled = false;
      if (button.dataset.rest) button.textContent = button.dataset.rest;
    }
  },
};
