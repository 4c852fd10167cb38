// What every part of the page needs: its elements, its fixed texts, its ways to speak to the person.

import { Problem } from './server.js';
import { explain, language, text } from './texts.js';

export const find = (selector, within = document) => within.querySelector(selector);

// A copy of what a <template> holds.
export const stamp = (id) => find(`#${id}`).content.firstElementChild.cloneNode(true);

// Writes the fixed texts in the language of now, which is also the one a screen reader then speaks.
export function writeTexts() {
  document.documentElement.lang = language();
  find('#language').lang = language() === 'es' ? 'en' : 'es';
  const templates = [...document.querySelectorAll('template')].map((template) => template.content);
  for (const element of [document, ...templates].flatMap((root) => [...root.querySelectorAll('[data-text]')])) {
    element.textContent = text(element.dataset.text);
  }
}

// Tells those who do not see the page what the others see.
export function announce(words) {
  find('#announcement').textContent = words;
}

// Shows a problem where the person is: in the open dialog, or on top of the page.
export function report(problem, place = find('dialog[open] .problem') ?? find('#problem')) {
  const { words, lang } = explain(problem);
  const detail = document.createElement('p');
  detail.lang = lang;
  detail.textContent = words;
  place.replaceChildren(detail);
  if (problem.requestID) {
    const request = document.createElement('small');
    request.textContent = text('request', { id: problem.requestID });
    place.append(request);
  }
}

export const forgetProblem = () => find('#problem').replaceChildren();

// A session the server does not know any more is over, whichever call finds it out.
export const isSignedOut = (problem) => problem.status === 401 && problem.code !== 'wrong_credentials';
export const signedOut = () => dispatchEvent(new Event('tolva:signed-out'));

// Does something, and shows what goes wrong.
export async function watch(action) {
  try {
    await action();
  } catch (error) {
    if (error.name === 'AbortError') return; // The person went elsewhere.
    if (!(error instanceof Problem)) throw error;
    if (isSignedOut(error)) signedOut();
    else report(error);
  }
}

// Does what an element was clicked for, once at a time.
export async function attempt(element, action) {
  if (element.getAttribute('aria-busy') === 'true') return;
  element.setAttribute('aria-busy', 'true');
  find('.problem', element.closest('dialog') ?? document).replaceChildren();
  await watch(action);
  element.removeAttribute('aria-busy');
}

// Asks before something that cannot be undone.
export function confirmed(words) {
  const dialog = find('#question');
  find('#question-words').textContent = words;
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
  });
}

find('#question-yes').addEventListener('click', () => find('#question').close('yes'));
for (const button of document.querySelectorAll('dialog .closes')) {
  button.addEventListener('click', () => button.closest('dialog').close());
}
