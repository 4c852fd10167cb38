// One item's files: choosing, watching them become ready, opening, downloading, deleting.

import { fillCard, forgetCards, newCard } from './cards.js';
import { announce, attempt, find, forgetProblem, isSignedOut, report, signedOut } from './page.js';
import { send } from './sending.js';
import { call, Problem } from './server.js';
import { text } from './texts.js';

const POLL_MILLISECONDS = 2_000;
const POLL_AFTER_PROBLEM_MILLISECONDS = 10_000;
const PAGE = 60;
const MOST_A_PAGE = 200;

// null, or { item, wanted: how many files to show at most, assets, next, isLoaded, isTroubled }.
let gallery = null;
let asked = 0;
let polling = 0;
const cards = new Map();

export async function openGallery(id) {
  gallery = { item: null, wanted: PAGE, assets: [], next: null, isLoaded: false, isTroubled: false };
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
  clearTimeout(polling);
  forgetCards();
  cards.clear();
  find('#cards').replaceChildren();
  for (const id of ['title', 'kind', 'note']) find(`#gallery-${id}`).textContent = '';
  find('#cards-more').hidden = true;
}

// Reads the newest files, as many as are wanted. Of two answers, the one asked for last counts.
async function load() {
  if (!gallery?.item) return;
  clearTimeout(polling);
  const mine = ++asked;
  const assets = [];
  let next = null;
  do {
    const limit = Math.min(MOST_A_PAGE, gallery.wanted - assets.length);
    const query = new URLSearchParams({ item_id: gallery.item.id, limit });
    if (next) query.set('cursor', next);
    const page = await call('GET', `/v1/assets?${query}`);
    if (mine !== asked) return;
    assets.push(...page.assets);
    next = page.next_cursor;
  } while (next && assets.length < gallery.wanted);
  announceSettled(gallery.assets, assets);
  Object.assign(gallery, { assets, next, isLoaded: true });
  redrawGallery();
  pollIn(POLL_MILLISECONDS);
}

const isPending = (asset) => ['queued', 'processing'].includes(asset.status);

// Nobody looks at a hidden tab, and phones pay for their data.
function pollIn(milliseconds) {
  clearTimeout(polling);
  if (document.hidden || !(gallery?.isTroubled || gallery?.assets.some(isPending))) return;
  polling = setTimeout(refresh, milliseconds);
}

// Reads again what nobody asked for: it goes on after a problem, and takes its words back when it is over.
async function refresh() {
  const mine = gallery;
  try {
    await load();
    if (mine !== gallery) return;
    if (gallery.isTroubled) forgetProblem();
    gallery.isTroubled = false;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (mine !== gallery) return;
    if (isSignedOut(error)) {
      signedOut();
      return;
    }
    gallery.isTroubled = true;
    report(error, find('#problem'));
    pollIn(POLL_AFTER_PROBLEM_MILLISECONDS);
  }
}

document.addEventListener('visibilitychange', () => pollIn(0));

function announceSettled(before, now) {
  const pending = new Set(before.filter(isPending).map((asset) => asset.id));
  const settled = now.filter((asset) => pending.has(asset.id) && !isPending(asset));
  if (settled.length === 0) return;
  const ready = settled.filter((asset) => asset.status === 'ready').length;
  announce(text('settled', { ready, failed: settled.length - ready }));
}

// Cards stay the same elements, so that the keyboard's focus survives a change.
export function redrawGallery() {
  if (!gallery?.item) return;
  const { item, assets, next, isLoaded } = gallery;
  find('#gallery-title').textContent = `${item.code} · ${item.name}`;
  find('#gallery-kind').textContent = item.kind;
  find('#gallery-note').textContent = !isLoaded ? text('loading') : assets.length === 0 ? text('no_files') : '';
  find('#cards-more').hidden = !next;
  const gone = new Set(cards.keys());
  const list = find('#cards');
  assets.forEach((asset, place) => {
    gone.delete(asset.id);
    if (!cards.has(asset.id)) cards.set(asset.id, newCard(load));
    const card = cards.get(asset.id);
    fillCard(card, asset);
    if (list.children[place] !== card) list.insertBefore(card, list.children[place] ?? null);
  });
  for (const id of gone) {
    cards.get(id).remove();
    cards.delete(id);
  }
}

find('#cards-more').addEventListener('click', (event) => {
  attempt(event.target, async () => {
    const shown = gallery.assets.length;
    gallery.wanted += PAGE;
    await load();
    find(`#cards li:nth-child(${shown + 1}) .download`)?.focus();
  });
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
  if (gallery?.item?.id === item) refresh();
});
