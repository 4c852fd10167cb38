// The company's exports: watching them become ready.

import { fillExport, isPending, newExport, titleOf } from './export-row.js';
import { askForExport } from './new-export.js';
import { announce, attempt, find, watch } from './page.js';
import { Poll } from './poll.js';
import { Rows } from './rows.js';
import { newest } from './server.js';
import { text } from './texts.js';

const PAGE = 20;

// null, or { wanted: how many to show at most, exports, next, isLoaded }.
let view = null;
let asked = 0;
// The id of the one that was just asked for.
let awaited = null;
const rows = new Rows(find('#export-list'), () => newExport(load), fillExport);
const poll = new Poll(load, () => view?.exports.some(isPending));

export async function openExports() {
  view = { wanted: PAGE, exports: [], next: null, isLoaded: false };
  const mine = view;
  redrawExports();
  try {
    await load();
  } finally {
    if (mine === view && !view.isLoaded) find('#exports-note').textContent = '';
  }
}

export function closeExports() {
  view = null;
  asked += 1;
  poll.stop();
  rows.show([]);
}

// Reads the newest exports, as many as are wanted. Of two answers, the one asked for last counts.
async function load() {
  if (!view) return;
  poll.pause();
  const mine = ++asked;
  const { found, next } = await newest('exports', view.wanted);
  if (mine !== asked) return;
  announceSettled(view.exports, found);
  Object.assign(view, { exports: found, next, isLoaded: true });
  redrawExports();
  rows.row(awaited)?.focus();
  awaited = null;
  poll.goOn();
}

function announceSettled(before, now) {
  const pending = new Set(before.filter(isPending).map(({ id }) => id));
  const settled = now.filter((each) => pending.has(each.id) && !isPending(each));
  if (settled.length === 0) return;
  announce(settled.map((each) => `${titleOf(each)}: ${text(`export_${each.status}`)}`).join(' '));
}

export function redrawExports() {
  if (!view) return;
  const { exports, next, isLoaded } = view;
  find('#exports-note').textContent = !isLoaded ? text('loading') : exports.length === 0 ? text('no_exports') : '';
  find('#exports-more').hidden = !next;
  rows.show(exports);
}

find('#exports-more').addEventListener('click', (event) => {
  attempt(event.target, async () => {
    const shown = view.exports.length;
    view.wanted += PAGE;
    await load();
    find(`#export-list > li:nth-child(${shown + 1})`)?.focus();
  });
});

find('#export-all').addEventListener('click', () => askForExport({}, text('export_all')));

addEventListener('tolva:export-asked', ({ detail: id }) => {
  awaited = id;
  if (view) watch(load);
  else location.hash = '#exports';
});
