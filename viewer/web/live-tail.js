// The live tail of a list: the connection that tells what comes, the button that pauses it, and the searches for
// what only the viewer knows.

import { announce, el } from './lib.js';

export class LiveTail {
  /**
   * `live.isOn` outlasts the page. `connect(on)` opens a connection with the listeners `on`, and returns what ends it.
   * `ask(signal, since)` searches and shows the answer; `since` is the feed's clock when it was asked. `failed(error)`
   * says why there is none. What only the viewer knows is asked for `settleMs` after something came.
   */
  constructor(live, feed, { connect, ask, failed, settleMs }) {
    Object.assign(this, { live, feed, connect, ask, failed, settleMs, settling: 0, isSearching: false });
    this.button = el('button', { type: 'button', onclick: () => this.toggle() });
    this.onVisible = () => this.reconnect();
  }

  start() {
    document.addEventListener('visibilitychange', this.onVisible);
    this.search();
    this.reconnect();
  }

  stop() {
    this.abort?.abort();
    this.disconnect?.();
    clearTimeout(this.settling);
    document.removeEventListener('visibilitychange', this.onVisible);
  }

  /** Searches; a search that is under way is given up. */
  async search() {
    this.abort?.abort();
    this.abort = new AbortController();
    this.forgetSettling();
    const { signal } = this.abort;
    const since = this.feed.clock;
    this.isSearching = true;
    try {
      await this.ask(signal, since);
    } catch (error) {
      if (error.name !== 'AbortError') this.failed(error);
    } finally {
      if (!signal.aborted) {
        this.isSearching = false;
        // One is the answer; what is more has come meanwhile.
        if (this.feed.clock > since + 1) this.settleSoon();
      }
    }
  }

  /** Searches in a while, since something came. */
  settleSoon() {
    // Never while it is being asked: a search that takes longer than that would not come to its end.
    if (!this.isSearching) this.settling ||= setTimeout(() => this.search(), this.settleMs);
  }

  forgetSettling() {
    clearTimeout(this.settling);
    this.settling = 0;
  }

  /** One connection while the page is visible and live: a browser allows six to a server. */
  reconnect() {
    const { isOn } = this.live;
    this.disconnect?.();
    this.disconnect = null;
    this.button.setAttribute('aria-pressed', String(isOn));
    this.button.dataset.state = isOn ? 'live' : 'paused';
    this.button.textContent = isOn ? 'Live' : 'Paused';
    this.button.title = isOn ? 'Pause the live tail (p)' : 'Go on with the live tail (p)';
    if (!isOn || document.hidden) return;
    this.disconnect = this.connect({
      hello: () => {
        this.button.dataset.state = 'live';
        // What came after the last search and before this connection was not told: search again.
        this.search();
      },
      lost: () => {
        this.button.dataset.state = 'lost';
      },
    });
  }

  toggle() {
    this.live.isOn = !this.live.isOn;
    announce(this.live.isOn ? 'Live' : 'Paused');
    this.forgetSettling();
    this.reconnect();
  }
}
