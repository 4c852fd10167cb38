// What every script here uses: a signed-in user, an item, uploads and what is measured of them.
//
// BASE_URL, ADMIN_EMAIL and ADMIN_PASSWORD say where; MATERIAL is the directory `material.py` has filled.
import { check, fail, sleep } from 'k6';
import http from 'k6/http';
import { Rate, Trend } from 'k6/metrics';

export const BASE_URL = __ENV.BASE_URL || 'http://127.0.0.1:8080';
const TIMEOUT = '300s';
const SETTLED_SECONDS = 300;

// Of uploads alone; k6's own figures hold the sign-in and everything else too.
const duration = new Trend('upload_duration', true);
const sending = new Trend('upload_sending', true);
const waitingShare = new Trend('upload_waiting_share');
const failed = new Rate('upload_failed');

// For whoever runs them: nothing here depends on how fast the machine is.
export const THRESHOLDS = { http_req_failed: ['rate<0.01'], upload_failed: ['rate<0.01'], checks: ['rate==1'] };
export const WAITING_THRESHOLD = { upload_waiting_share: ['med<0.15'] };

// Called by `setup`: gives the user every virtual user is, and the item everything hangs on.
export function signIn() {
  const account = { email: __ENV.ADMIN_EMAIL, password: __ENV.ADMIN_PASSWORD };
  const session = http.post(`${BASE_URL}/v1/sessions`, JSON.stringify(account));
  if (session.status !== 201) fail(`signing in at ${BASE_URL} answered ${session.status}: ${session.body}`);
  const headers = { Authorization: `Bearer ${session.json('token')}` };
  const pump = JSON.stringify({ code: `LOAD-${Date.now()}`, name: 'Pump' });
  const item = http.post(`${BASE_URL}/v1/items`, pump, { headers });
  if (item.status !== 201) fail(`making an item answered ${item.status}: ${item.body}`);
  return { headers, item: item.json('id'), path: `/v1/items/${item.json('id')}/assets` };
}

// A file of the material, as bytes that may be changed: in memory once for each virtual user.
export function material(path) {
  return { name: path.split('/').pop(), type: typeOf(path), bytes: open(`${__ENV.MATERIAL}/${path}`, 'b') };
}

// The photos of one of its directories.
export function gallery(directory, count) {
  return Array.from({ length: count }, (_, number) => material(`${directory}/${number + 1}.jpg`));
}

function typeOf(name) {
  return { jpg: 'image/jpeg', mp4: 'video/mp4', pdf: 'application/pdf' }[name.split('.').pop()];
}

// Makes the file another one, as the next photo is: every file of the material ends in noise.
export function change(file) {
  const words = new Uint32Array(4).map(() => Math.random() * 0x100000000);
  const bytes = new Uint8Array(file.bytes);
  bytes.set(new Uint8Array(words.buffer), bytes.length - 16);
  return file;
}

// One multipart request with these files, all of which must be taken.
export function upload(user, files) {
  const form = {};
  files.forEach((file, number) => {
    form[`file${number}`] = http.file(file.bytes, file.name, file.type);
  });
  const answer = http.post(`${BASE_URL}${user.path}`, form, { headers: user.headers, timeout: TIMEOUT });
  measure(answer);
  return taken(answer, files.length) ? answer.json('assets') : [];
}

// One file without multipart.
export function put(user, path, file) {
  const headers = Object.assign({ 'Content-Type': file.type }, user.headers);
  const answer = http.put(`${BASE_URL}${path}/${file.name}`, file.bytes, { headers, timeout: TIMEOUT });
  measure(answer);
  return check(answer, { 'the file is taken': ({ status }) => status === 201 }) ? [answer.json()] : [];
}

function taken(answer, count) {
  return check(answer, {
    'every file is taken': ({ status }) =>
      status === 201 && answer.json('assets').length === count && answer.json('rejected').length === 0,
  });
}

// Records one request that carried bytes.
export function measure(answer) {
  failed.add(answer.status < 200 || answer.status > 299);
  if (answer.timings.duration === 0) return;
  duration.add(answer.timings.duration);
  sending.add(answer.timings.sending);
  waitingShare.add(answer.timings.waiting / answer.timings.duration);
}

// Called by `teardown`: everything that was taken becomes ready.
export function settle(user) {
  const list = (status) => {
    const url = `${BASE_URL}/v1/assets?item_id=${user.item}&status=${status}&limit=1`;
    const answer = http.get(url, { headers: user.headers });
    return answer.status === 200 ? answer.json('assets') : ['unknown'];
  };
  const deadline = Date.now() + SETTLED_SECONDS * 1000;
  while (Date.now() < deadline && (list('queued').length > 0 || list('processing').length > 0)) sleep(0.5);
  check(user, {
    'nothing is left waiting': () => list('queued').length + list('processing').length === 0,
    'nothing failed afterwards': () => list('failed').length === 0,
  });
}

// What `main.py` makes its table of; for a run by hand, k6 prints its own summary.
export function handleSummary(data) {
  const nothing = { med: 0, 'p(95)': 0, count: 0, passes: 0 };
  const line = (name) => (data.metrics[name] ? data.metrics[name].values : nothing);
  const thresholds = Object.entries(data.metrics).flatMap(([metric, { thresholds }]) =>
    Object.entries(thresholds || {}).filter(([, { ok }]) => !ok).map(([rule]) => `${metric}: ${rule}`));
  const checks = data.root_group.checks.filter(({ fails }) => fails > 0)
    .map(({ name, fails }) => `${name}: not ${fails} times`);
  const summary = {
    duration: line('upload_duration'),
    sending: line('upload_sending'),
    waiting_share: line('upload_waiting_share'),
    failed: line('upload_failed'),
    sent_bytes: line('data_sent').count,
    seconds: data.state.testRunDurationMs / 1000,
    missed: [...thresholds, ...checks],
  };
  return { [__ENV.SUMMARY || 'stdout']: `${JSON.stringify(summary, null, 1)}\n` };
}

// Left in the summary: the median and the far end.
export const TREND_STATS = ['med', 'p(95)', 'min', 'max', 'count'];
