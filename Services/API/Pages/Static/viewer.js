// One file large: the compressed picture, or the video at 720p.

import { find } from './page.js';
import { media } from './server.js';
import { text } from './texts.js';

export const largeRendition = (asset) => asset.renditions.find(({ name }) => name === 'compressed' || name === '720p');

// Shows it until the person closes it; then nothing of it stays in memory.
export async function view(asset) {
  const dialog = find('#viewer');
  const closed = new AbortController();
  find('#viewer-title').textContent = asset.filename;
  find('#viewer-note').textContent = text('loading');
  find('.problem', dialog).replaceChildren();
  dialog.addEventListener('close', () => closed.abort(), { once: true });
  dialog.showModal();
  const address = URL.createObjectURL(await media(largeRendition(asset).url, closed.signal));
  closed.signal.addEventListener('abort', () => {
    find('#viewer-media').replaceChildren();
    URL.revokeObjectURL(address);
  });
  const element = document.createElement(asset.kind === 'video' ? 'video' : 'img');
  if (asset.kind === 'video') Object.assign(element, { controls: true, autoplay: true, playsInline: true });
  else element.alt = asset.filename;
  element.src = address;
  find('#viewer-note').textContent = '';
  find('#viewer-media').replaceChildren(element);
}
