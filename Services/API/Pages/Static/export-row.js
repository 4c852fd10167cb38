// One export as a row of the list: where it and its parts stand, what can be done with them.

import { attempt, confirmed, find, stamp } from './page.js';
import { Rows } from './rows.js';
import { call } from './server.js';
import { moment, percent, size, text } from './texts.js';

export const isPending = ({ status }) => ['queued', 'processing'].includes(status);

export const titleOf = ({ created_at, items_total }) =>
  text('export_title', { when: moment(created_at), items: items_total });

// An empty row; `changed` is called when its export is not what it was.
export function newExport(changed) {
  const row = stamp('export-row');
  row.parts = new Rows(find('.parts', row), newPart, fillPart);
  const on = (selector, action) => {
    const button = find(selector, row);
    button.addEventListener('click', () => attempt(button, () => action(row, changed)));
  };
  on('.again', again);
  on('.remove', remove);
  return row;
}

export function fillExport(row, each) {
  row.export = each;
  const { status, progress, media, procedures, language } = each;
  Object.assign(row.dataset, { id: each.id, status });
  const title = titleOf(each);
  find('.title', row).textContent = title;
  find('.state', row).textContent = stateOf(each);
  find('.choices', row).textContent = [
    text(media),
    text(procedures ? 'with_procedures' : 'without_procedures'),
    text(`in_${language}`),
  ].join(' · ');
  find('progress', row).hidden = !isPending(each);
  find('progress', row).value = progress;
  find('progress', row).ariaLabel = title;
  row.parts.show(each.parts.map((part) => ({ ...part, id: part.number, export: each })));
  find('.again', row).hidden = !['failed', 'expired'].includes(status);
  find('.remove', row).textContent = text(isPending(each) ? 'cancel' : 'remove');
  for (const action of ['again', 'remove']) {
    const button = find(`.${action}`, row);
    button.ariaLabel = `${button.textContent}: ${title}`;
  }
}

function stateOf({ status, progress, items_done, items_total, position_in_queue, bytes, expires_at }) {
  const words = [text(`export_${status}`)];
  if (status === 'queued') words.push(text('position', { position: position_in_queue }));
  if (status === 'processing') {
    words.push(percent(progress), text('items_done', { done: items_done, total: items_total }));
  }
  if (bytes !== null) words.push(size(bytes));
  if (bytes !== null && expires_at) words.push(text('until', { when: moment(expires_at) }));
  return words.join(' · ');
}

function newPart() {
  const row = stamp('part-row');
  const button = find('.download', row);
  button.addEventListener('click', () => attempt(button, () => download(row.archive)));
  return row;
}

function fillPart(row, part) {
  const { number, status, progress, items, bytes, error, problems, problem_count, export: whole } = part;
  row.archive = { export: whole.id, number };
  const name = text('part', { number, parts: whole.parts.length });
  row.dataset.status = status;
  find('.name', row).textContent = `${name} · ${text('items_found', { count: items })}`;
  const state = bytes !== null ? size(bytes) : text(`part_${status}`, { percent: percent(progress) });
  find('.state', row).textContent = state;
  find('.reason', row).textContent = error ?? '';
  find('.download', row).hidden = status !== 'ready';
  find('.download', row).ariaLabel = `${text('download')}: ${name}`;
  find('.problems', row).hidden = problem_count === 0;
  find('.problems', row).lang = whole.language;
  find('summary', row).textContent = text('problems', { count: problem_count });
  find('.problems ul', row).replaceChildren(...problems.map(problemRow));
  find('.rest', row).textContent = problem_count > problems.length ? text('more_problems') : '';
}

function problemRow({ item, filename, detail }) {
  const row = document.createElement('li');
  row.textContent = [item, filename, detail].filter(Boolean).join(' · ');
  return row;
}

// An archive can be larger than a browser's memory: it is the browser that fetches it and writes it to the disk, with
// an address that holds no more than the right to this part.
async function download({ export: id, number }) {
  const { url } = await call('POST', `/v1/exports/${id}/parts/${number}/tickets`);
  const link = document.createElement('a');
  link.href = url;
  link.download = ''; // Its name comes with it; and a refusal does not replace the page.
  link.click();
}

async function again(row, changed) {
  await call('POST', `/v1/exports/${row.export.id}/retry`);
  await changed();
  row.focus();
}

// What is not built yet can be asked for again at no cost.
async function remove(row, changed) {
  if (!isPending(row.export) && !(await confirmed(text('remove_export_question')))) return;
  const neighbour = row.nextElementSibling ?? row.previousElementSibling;
  await call('DELETE', `/v1/exports/${row.export.id}`);
  await changed();
  (neighbour ?? find('#exports-title')).focus();
}
