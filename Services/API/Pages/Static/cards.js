// One file as a card of the gallery: its thumbnail, where it stands, what can be done with it.

import { attempt, confirmed, find, stamp, watch } from './page.js';
import { call, media } from './server.js';
import { percent, size, text } from './texts.js';
import { largeRendition, view } from './viewer.js';

// How long a browser may take to begin with a download it was given; there is no event for it.
const DOWNLOAD_MILLISECONDS = 60_000;

// Thumbnails are fetched as they come near the screen: phones pay for their data.
const thumbnails = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      thumbnails.unobserve(target);
      watch(() => showThumbnail(target));
    }
  },
  { rootMargin: '300px' },
);
let left = new AbortController();

// Ends what is still on its way to the cards of a gallery that is left.
export function forgetCards() {
  left.abort();
  left = new AbortController();
  thumbnails.disconnect();
}

// An empty card; `changed` is called when its asset is not what it was.
export function newCard(changed) {
  const card = stamp('asset-card');
  const on = (selector, action) => {
    const button = find(selector, card);
    button.addEventListener('click', () => attempt(button, () => action(card, changed)));
  };
  on('.open', open);
  on('.download', download);
  on('.retry', retry);
  on('.remove', remove);
  return card;
}

export function fillCard(card, asset) {
  card.asset = asset;
  const { filename, status, renditions } = asset;
  card.dataset.status = status;
  find('.filename', card).textContent = filename;
  find('.filename', card).title = filename;
  const state = status === 'ready' ? size(asset.bytes) : text(status, { percent: percent(asset.progress) });
  find('.state', card).textContent = state;
  find('.reason', card).textContent = status === 'failed' ? asset.error : '';
  find('progress', card).hidden = status !== 'processing';
  find('progress', card).value = asset.progress;
  find('.retry', card).hidden = status !== 'failed';
  find('.open', card).disabled = status !== 'ready';
  for (const action of ['open', 'download', 'remove', 'retry']) {
    find(`.${action}`, card).setAttribute('aria-label', `${text(action)}: ${filename}`);
  }
  if (find('.placeholder', card)) find('.placeholder', card).textContent = filename.split('.').pop().slice(0, 5);
  const thumbnail = renditions.find(({ name }) => name === 'thumbnail' || name === 'poster')?.url;
  if (thumbnail && thumbnail !== card.dataset.thumbnail) {
    card.dataset.thumbnail = thumbnail;
    thumbnails.observe(card);
  }
}

async function showThumbnail(card) {
  const address = URL.createObjectURL(await media(card.dataset.thumbnail, left.signal));
  const image = new Image();
  image.alt = ''; // The button around it has the file's name.
  image.onload = image.onerror = () => URL.revokeObjectURL(address);
  image.src = address;
  find('.open', card).replaceChildren(image);
}

const open = (card) => (largeRendition(card.asset) ? view(card.asset) : download(card));

async function download(card) {
  const button = find('.download', card);
  button.textContent = text('downloading');
  try {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(await media(card.asset.url, left.signal));
    link.download = card.asset.filename;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), DOWNLOAD_MILLISECONDS);
  } finally {
    button.textContent = text('download');
  }
}

async function retry(card, changed) {
  await call('POST', `/v1/assets/${card.asset.id}/retry`);
  await changed();
}

async function remove(card, changed) {
  if (!(await confirmed(text('remove_question', { name: card.asset.filename })))) return;
  const neighbour = card.nextElementSibling ?? card.previousElementSibling;
  await call('DELETE', `/v1/assets/${card.asset.id}`);
  await changed();
  (neighbour ? find('.download', neighbour) : find('#gallery-title')).focus();
}
