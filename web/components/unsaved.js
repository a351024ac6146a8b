// Keeps what a user has typed: a form with unsaved changes asks before it closes, whatever the reason.

/** @type {Guard | null} The guard of the open form. */
let current = null;

addEventListener("beforeunload", (event) => current?.hasChanges() && event.preventDefault());

/**
 * Whether the page may follow a change of the URL, as by Back. While a form has unsaved changes, it may not: then the
 * URL is restored, and the user is asked.
 */
export function mayFollow() {
  if (!current?.hasChanges()) return true;
  history.pushState(null, "", current.url);
  current.leave(() => history.back());
  return false;
}

/** Whether the open form has unsaved changes. */
export const hasUnsavedChanges = () => current?.hasChanges() ?? false;

/** The guard of one dialog. It lets the dialog close at once until it protects a form. */
export class Guard {
  url = location.href;
  hasChanges = () => false;
  #ask;
  #close;
  #isAsking = false;

  /**
   * @param {() => Promise<boolean | undefined>} ask Asks whether the changes may be discarded.
   * @param {() => void} close Closes the dialog.
   */
  constructor(ask, close) {
    this.#ask = ask;
    this.#close = close;
  }

  /** @param {() => boolean} hasChanges Whether the form has unsaved changes. */
  protect(hasChanges) {
    this.hasChanges = hasChanges;
    current = this;
  }

  /** Ends the protection: the form is closed or saved. */
  release() {
    this.hasChanges = () => false;
    if (current !== this) return;
    current = null;
    dispatchEvent(new Event("form-closed"));
  }

  /**
   * Closes the dialog, then calls `next`, unless the user keeps editing. A question that is open is not asked again.
   *
   * @param {() => void} [next]
   */
  async leave(next = () => {}) {
    if (this.#isAsking) return;
    this.#isAsking = true;
    const mayLeave = !this.hasChanges() || (await this.#ask());
    this.#isAsking = false;
    if (!mayLeave) return;
    this.release();
    this.#close();
    next();
  }

  /**
   * Follows a link in the form to another page of this application only once the form may be closed.
   *
   * @param {MouseEvent} event
   */
  follow(event) {
    const target = event.target instanceof Element ? event.target.closest("a") : null;
    const opensElsewhere = event.ctrlKey || event.metaKey || event.shiftKey;
    if (!target?.hash || opensElsewhere || !this.hasChanges()) return;
    event.preventDefault();
    this.leave(() => {
      location.hash = target.hash;
    });
  }
}
