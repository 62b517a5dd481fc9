// Figures that are asked for again and again, and the button that pauses it.

import { announce, el } from './lib.js';

export class Refresh {
  /**
   * Every `everyMs`, unless it is paused, the page is hidden, an answer is awaited or `isBusy()`: `get(signal)` asks
   * the viewer, and `show(answer)` or `failed(error)` says what came of it.
   */
  constructor(everyMs, { get, show, failed, isBusy = () => false }) {
    Object.assign(this, { get, show, failed, isBusy, isPaused: false, asking: null });
    this.button = el('button', { type: 'button', onclick: () => this.toggle() });
    this.drawButton();
    this.timer = setInterval(() => !this.isPaused && !this.asking && !this.isBusy() && this.now(), everyMs);
  }

  close() {
    this.asking?.abort();
    clearInterval(this.timer);
  }

  /** Asks now; what is asked already is given up. */
  async now() {
    if (document.hidden) return;
    this.asking?.abort();
    const asking = new AbortController();
    this.asking = asking;
    try {
      const answer = await this.get(asking.signal);
      if (!asking.signal.aborted) this.show(answer);
    } catch (error) {
      if (error.name !== 'AbortError') this.failed(error);
    } finally {
      if (this.asking === asking) this.asking = null;
    }
  }

  drawButton() {
    this.button.textContent = this.isPaused ? 'Paused' : 'Live';
    this.button.dataset.state = this.isPaused ? 'paused' : 'live';
    this.button.setAttribute('aria-pressed', String(!this.isPaused));
  }

  toggle() {
    this.isPaused = !this.isPaused;
    this.drawButton();
    announce(this.isPaused ? 'Paused' : 'Live');
    if (!this.isPaused && !this.isBusy()) this.now();
  }
}
