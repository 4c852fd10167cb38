// What a day brings: photos alone and in batches, with and without multipart, documents, videos, resumable uploads, and
// now and then somebody who looks at one. ITERATIONS uploads by USERS, or for as long as DURATION says.
//
// LISTED=1 prints every asset that was answered with success as a line of JSON, for whoever pulls plugs meanwhile and
// wants to know afterwards what was promised: k6 run --console-output FILE.
import { check } from 'k6';
import crypto from 'k6/crypto';
import http from 'k6/http';
import { sendByTus } from './protocol.js';
import { BASE_URL, change, gallery, material, put, settle, signIn, THRESHOLDS, TREND_STATS, upload } from './tolva.js';

export { handleSummary } from './tolva.js';

const photos = gallery('photos', 12);
const document = material('document.pdf');
const video = material('video-9.mp4');

const users = Number(__ENV.USERS || 4);
export const options = {
  scenarios: {
    day: __ENV.DURATION
      ? { executor: 'constant-vus', vus: users, duration: __ENV.DURATION }
      : { executor: 'shared-iterations', vus: users, iterations: Number(__ENV.ITERATIONS || 1000), maxDuration: '30m' },
  },
  thresholds: THRESHOLDS,
  summaryTrendStats: TREND_STATS,
};

export const setup = signIn;
export const teardown = settle;

const photo = () => change(photos[Math.floor(Math.random() * photos.length)]);

// Of a hundred uploads, how many are of this kind; each gives files and the assets they became.
const KINDS = [
  [40, (user) => one(photo(), (file) => upload(user, [file]))],
  [20, (user) => one(photo(), (file) => put(user, user.path, file))],
  [15, (user) => batch(photos.slice(0, 5).map(change), (files) => upload(user, files))],
  [10, (user) => one(change(document), (file) => put(user, '/v1/documents', file))],
  [10, (user) => one(photo(), (file) => sendByTus(user, file, 1 << 20))],
  [5, (user) => one(change(video), (file) => upload(user, [file]))],
];

const one = (file, send) => batch([file], () => send(file));
const batch = (files, send) => ({ files, assets: send(files) });

export default function (user) {
  let left = Math.random() * 100;
  const [, send] = KINDS.find(([share]) => (left -= share) < 0);
  const { files, assets } = send(user);
  // k6 sends the parts of a form in any order.
  const fileOf = ({ filename }) => files.find(({ name }) => name === filename);
  for (const asset of assets) {
    if (__ENV.LISTED) console.log(JSON.stringify({ id: asset.id, sha256: asset.sha256 }));
    check(asset, { 'the digest is ours': ({ sha256 }) => sha256 === crypto.sha256(fileOf(asset).bytes, 'hex') });
  }
  if (assets.length > 0 && Math.random() < 0.2) look(user, assets[0], fileOf(assets[0]));
}

function look(user, asset, file) {
  const answer = http.get(`${BASE_URL}${asset.url}`, { headers: user.headers, responseType: 'binary' });
  check(answer, {
    'it comes back as it went': ({ status, body }) =>
      status === 200 && crypto.sha256(body, 'hex') === crypto.sha256(file.bytes, 'hex'),
  });
}
