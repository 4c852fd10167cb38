// Asking for an export: which items it is of is known already, what goes in is chosen here.

import { attempt, find } from './page.js';
import { call } from './server.js';
import { language } from './texts.js';

const dialog = find('#new-export');
let selection = {};

// Opens the dialog for a selection as the server takes it; `words` say the same to the person.
export function askForExport(wanted, words) {
  selection = wanted;
  find('form', dialog).reset();
  find('.problem', dialog).replaceChildren();
  find('#new-export-items').textContent = words;
  dialog.showModal();
}

find('form', dialog).addEventListener('submit', (event) => {
  event.preventDefault();
  const { media, procedures } = event.target.elements;
  attempt(event.target, async () => {
    const options = { media: media.value, procedures: procedures.checked, language: language() };
    const { id } = await call('POST', '/v1/exports', { ...selection, ...options });
    dialog.close();
    dispatchEvent(new CustomEvent('tolva:export-asked', { detail: id }));
  });
});
