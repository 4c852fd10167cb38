// One item's files: choosing, watching them become ready, opening, downloading, deleting.

import { fillCard, forgetCards, newCard } from './cards.js';
import { askForExport } from './new-export.js';
import { announce, attempt, find } from './page.js';
import { Poll } from './poll.js';
import { Rows } from './rows.js';
import { send } from './sending.js';
import { call, newest } from './server.js';
import { text } from './texts.js';

const PAGE = 60;

// null, or { item, wanted: how many files to show at most, assets, next, isLoaded }.
let gallery = null;
let asked = 0;
const cards = new Rows(find('#cards'), () => newCard(load), fillCard);
const poll = new Poll(load, () => gallery?.assets.some(isPending));

export async function openGallery(id) {
  gallery = { item: null, wanted: PAGE, assets: [], next: null, isLoaded: false };
  const mine = gallery;
  find('#gallery-note').textContent = text('loading');
  try {
    const item = await call('GET', `/v1/items/${id}`);
    if (mine !== gallery) return;
    gallery.item = item;
    redrawGallery();
    await load();
  } finally {
    if (mine === gallery && !gallery.isLoaded) find('#gallery-note').textContent = '';
  }
}

export function closeGallery() {
  gallery = null;
  asked += 1;
  poll.stop();
  forgetCards();
  cards.show([]);
  for (const id of ['title', 'kind', 'note']) find(`#gallery-${id}`).textContent = '';
  find('#cards-more').hidden = true;
}

// Reads the newest files, as many as are wanted. Of two answers, the one asked for last counts.
async function load() {
  if (!gallery?.item) return;
  poll.pause();
  const mine = ++asked;
  const { found, next } = await newest('assets', gallery.wanted, { item_id: gallery.item.id });
  if (mine !== asked) return;
  announceSettled(gallery.assets, found);
  Object.assign(gallery, { assets: found, next, isLoaded: true });
  redrawGallery();
  poll.goOn();
}

const isPending = (asset) => ['queued', 'processing'].includes(asset.status);

function announceSettled(before, now) {
  const pending = new Set(before.filter(isPending).map((asset) => asset.id));
  const settled = now.filter((asset) => pending.has(asset.id) && !isPending(asset));
  if (settled.length === 0) return;
  const ready = settled.filter((asset) => asset.status === 'ready').length;
  announce(text('settled', { ready, failed: settled.length - ready }));
}

export function redrawGallery() {
  if (!gallery?.item) return;
  const { item, assets, next, isLoaded } = gallery;
  find('#gallery-title').textContent = titleOf(item);
  find('#gallery-kind').textContent = item.kind;
  find('#gallery-note').textContent = !isLoaded ? text('loading') : assets.length === 0 ? text('no_files') : '';
  find('#cards-more').hidden = !next;
  cards.show(assets);
}

const titleOf = ({ code, name }) => `${code} · ${name}`;

find('#cards-more').addEventListener('click', (event) => {
  attempt(event.target, async () => {
    const shown = gallery.assets.length;
    gallery.wanted += PAGE;
    await load();
    find(`#cards li:nth-child(${shown + 1}) .download`)?.focus();
  });
});

find('#export-item').addEventListener('click', () => {
  if (gallery.item) askForExport({ item_ids: [gallery.item.id] }, titleOf(gallery.item));
});

find('#choose').addEventListener('change', ({ target }) => {
  send(gallery.item, [...target.files]);
  target.value = ''; // The same files may be chosen again.
});

const isDrop = (event) => gallery?.item && event.dataTransfer.types.includes('Files');
addEventListener('dragover', (event) => find('#drop').classList.toggle('over', Boolean(isDrop(event))));
addEventListener('dragleave', () => find('#drop').classList.remove('over'));
addEventListener('drop', (event) => {
  find('#drop').classList.remove('over');
  if (isDrop(event)) send(gallery.item, [...event.dataTransfer.files]);
});

addEventListener('tolva:uploaded', ({ detail: item }) => {
  if (gallery?.item?.id === item) poll.refresh();
});
