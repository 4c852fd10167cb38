// The one upload under way. It goes on while the person looks at other items.

import { announce, find, isSignedOut, report, signedOut } from './page.js';
import { Problem, upload } from './server.js';
import { percent, size, text } from './texts.js';

// null, or { item, files, state, loaded, total, share, assets, rejected, problem }.
// The state: sending, storing, and then stored or refused.
let sending = null;

// Sends files to an item, in one request. Does nothing while others are under way.
export async function send(item, files) {
  if (isUnderWay() || files.length === 0) return;
  sending = { item, files, state: 'sending', loaded: 0, total: 0, share: 0, assets: [], rejected: [] };
  const mine = sending;
  redrawSending();
  try {
    const { answer, stop } = upload(`/v1/items/${item.id}/assets`, files, (loaded, total) => {
      if (mine === sending) progressed(loaded, total);
    });
    mine.stop = stop;
    const { assets, rejected } = await answer;
    Object.assign(mine, { state: 'stored', assets, rejected });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (mine === sending && isSignedOut(error)) signedOut();
    Object.assign(mine, { state: 'refused', problem: error, rejected: error.rejected });
  }
  if (mine !== sending) return;
  redrawSending();
  if (mine.state === 'stored') dispatchEvent(new CustomEvent('tolva:uploaded', { detail: item.id }));
}

export const isUnderWay = () => ['sending', 'storing'].includes(sending?.state);

// Stops what is under way and forgets it.
export function abandonSending() {
  const stop = sending?.stop;
  sending = null;
  stop?.();
  redrawSending();
}

function progressed(loaded, total) {
  const quarter = Math.floor(sending.share * 4);
  const share = loaded / total;
  Object.assign(sending, { loaded, total, share, state: share < 1 ? 'sending' : 'storing' });
  redrawProgress();
  if (Math.floor(share * 4) > quarter) announce(find('#sending-note').textContent);
}

function redrawProgress() {
  const { state, loaded, total, share } = sending;
  find('#sending-bar').value = share;
  const counts = { percent: percent(share), sent: size(loaded), total: size(total) };
  find('#sending-note').textContent = state === 'storing' ? text('storing') : text('sent', counts);
}

// The server was not reached, or is in trouble itself: the same files may well pass another time.
const mayPassLater = ({ code, status }) => code === 'upload_lost' || status >= 500;

export function redrawSending() {
  find('#sending').hidden = !sending;
  find('#choose').disabled = isUnderWay();
  if (!sending) return;
  const { item, state, problem, assets, rejected } = sending;
  const canSendAgain = state === 'refused' && mayPassLater(problem);
  const title = { sending: 'sending', storing: 'sending', stored: 'stored', refused: 'not_sent' }[state];
  find('#sending-title').textContent = text(title, { item: item.code });
  find('#sending-bar').hidden = !isUnderWay();
  find('#sending-again').hidden = !canSendAgain;
  find('#sending-stop').textContent = text(isUnderWay() || canSendAgain ? 'cancel' : 'dismiss');
  find('#sending-problem').replaceChildren();
  find('#sending-note').textContent = '';
  if (isUnderWay()) {
    redrawProgress();
  } else if (state === 'stored') {
    find('#sending-note').textContent = outcome(assets, rejected);
    announce(outcome(assets, rejected));
  } else {
    report(problem, find('#sending-problem'));
  }
  find('#sending-rejected').replaceChildren(...rejected.map(rejectedRow));
}

function outcome(assets, rejected) {
  const duplicate = assets.filter((asset) => asset.duplicate).length;
  const counts = { new: assets.length - duplicate, duplicate, rejected: rejected.length };
  const some = Object.entries(counts).filter(([, count]) => count > 0);
  return some.map(([key, count]) => text(key, { count })).join(' ');
}

function rejectedRow(file) {
  const row = document.createElement('li');
  const name = document.createElement('strong');
  name.textContent = file.filename;
  const reason = document.createElement('div');
  report(new Problem(file.code, file), reason);
  row.append(name, reason);
  return row;
}

find('#sending-again').addEventListener('click', () => send(sending.item, sending.files));
find('#sending-stop').addEventListener('click', abandonSending);

// Leaving the page would cut the upload: the browser asks first.
addEventListener('beforeunload', (event) => {
  if (isUnderWay()) event.preventDefault();
});
