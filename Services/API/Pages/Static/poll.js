// Reading again, on and on, what is not settled yet.

import { find, forgetProblem, isSignedOut, report, signedOut } from './page.js';
import { Problem } from './server.js';

const MILLISECONDS = 2_000;
const AFTER_PROBLEM_MILLISECONDS = 10_000;

export class Poll {
  #timer = 0;
  #isTroubled = false;
  #views = 0;

  // `load` reads and shows, `isPending` says whether there is anything to wait for.
  constructor(load, isPending) {
    Object.assign(this, { load, isPending });
    document.addEventListener('visibilitychange', () => this.#readIn(0));
  }

  // After each reading, whoever asked for it.
  goOn() {
    this.#readIn(MILLISECONDS);
  }

  pause() {
    clearTimeout(this.#timer);
  }

  // The view is left: what is still on its way is nobody's any more.
  stop() {
    this.pause();
    this.#isTroubled = false;
    this.#views += 1;
  }

  // Reads again what nobody asked for: it goes on after a problem, and takes its words back when it is over.
  async refresh() {
    const mine = this.#views;
    try {
      await this.load();
      if (mine !== this.#views) return;
      if (this.#isTroubled) forgetProblem();
      this.#isTroubled = false;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (mine !== this.#views) return;
      if (isSignedOut(error)) {
        signedOut();
        return;
      }
      this.#isTroubled = true;
      report(error, find('#problem'));
      this.#readIn(AFTER_PROBLEM_MILLISECONDS);
    }
  }

  // Nobody looks at a hidden tab, and phones pay for their data.
  #readIn(milliseconds) {
    this.pause();
    if (document.hidden || !(this.#isTroubled || this.isPending())) return;
    this.#timer = setTimeout(() => this.refresh(), milliseconds);
  }
}
