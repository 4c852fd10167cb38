// The list of items: searching, and making a new one.

import { askForExport } from './new-export.js';
import { attempt, find, stamp, watch } from './page.js';
import { call } from './server.js';
import { text } from './texts.js';

const TYPING_MILLISECONDS = 300;

let items = [];
let next = null;
let asked = 0;
let typing = 0;

// Reads the first page, or with a cursor the one after it. Of two answers, the one asked for last counts.
export async function openItems(cursor) {
  const mine = ++asked;
  const query = new URLSearchParams({ q: find('#search').value.trim() });
  if (cursor) query.set('cursor', cursor);
  const note = find('#items-note');
  if (items.length === 0) note.textContent = text('loading');
  let page;
  try {
    page = await call('GET', `/v1/items?${query}`);
  } catch (problem) {
    if (mine === asked) note.textContent = '';
    throw problem;
  }
  if (mine !== asked) return;
  items = cursor ? [...items, ...page.items] : page.items;
  next = page.next_cursor;
  redrawItems();
}

export function redrawItems() {
  const rows = items.map((item) => {
    const row = stamp('item-row');
    find('a', row).href = `#item/${item.id}`;
    for (const field of ['code', 'name', 'kind']) find(`.${field}`, row).textContent = item[field];
    return row;
  });
  find('#item-list').replaceChildren(...rows);
  find('#items-more').hidden = !next;
  const count = `${items.length}${next ? '+' : ''}`;
  const nothing = find('#search').value.trim() ? 'nothing_found' : 'no_items';
  find('#items-note').textContent = items.length > 0 ? text('items_found', { count }) : text(nothing);
  const kinds = [...new Set(items.map((item) => item.kind).filter(Boolean))];
  find('#kinds').replaceChildren(...kinds.map((kind) => new Option(kind, kind)));
}

// Nothing of one person's company is there for the next one who signs in.
export function forgetItems() {
  asked += 1;
  clearTimeout(typing);
  items = [];
  next = null;
  find('#search').value = '';
  redrawItems();
}

find('#search').addEventListener('input', () => {
  clearTimeout(typing);
  typing = setTimeout(() => watch(openItems), TYPING_MILLISECONDS);
});

find('[role=search]').addEventListener('submit', (event) => {
  event.preventDefault();
  clearTimeout(typing);
  watch(openItems);
});

find('#items-more').addEventListener('click', (event) => {
  attempt(event.target, async () => {
    const shown = items.length;
    await openItems(next);
    find(`#item-list li:nth-child(${shown + 1}) a`)?.focus();
  });
});

find('#export-found').addEventListener('click', () => {
  const q = find('#search').value.trim();
  if (q) askForExport({ filter: { q } }, text('export_matching', { q }));
  else askForExport({}, text('export_all'));
});

find('#new-item-open').addEventListener('click', () => {
  find('#new-item form').reset();
  find('#new-item .problem').replaceChildren();
  find('#new-item').showModal();
});

find('#new-item form').addEventListener('submit', (event) => {
  event.preventDefault();
  attempt(event.target, async () => {
    const item = await call('POST', '/v1/items', Object.fromEntries(new FormData(event.target)));
    find('#new-item').close();
    location.hash = `#item/${item.id}`;
  });
});
