// The way through the page: signing in and out, the language, which view is shown.

import { closeExports, openExports, redrawExports } from './exports.js';
import { closeGallery, openGallery, redrawGallery } from './gallery.js';
import { forgetItems, openItems, redrawItems } from './items.js';
import { attempt, find, forgetProblem, report, watch, writeTexts } from './page.js';
import { abandonSending, redrawSending } from './sending.js';
import { call, forgetSession, Problem, session, signIn } from './server.js';
import { switchLanguage } from './texts.js';

function show(view) {
  for (const section of document.querySelectorAll('main > section')) section.hidden = section.id !== view;
  for (const dialog of document.querySelectorAll('dialog[open]')) dialog.close();
  const user = session()?.user;
  find('#who').textContent = user?.email ?? '';
  find('#sign-out').hidden = !user;
  document.body.classList.toggle('looks-only', user?.role === 'viewer');
}

// What stands behind the # of the address: nothing for the items, item/{id} for a gallery, exports.
function follow() {
  forgetProblem();
  closeGallery();
  closeExports();
  const [, item] = location.hash.match(/^#item\/([\w-]+)$/) ?? [];
  const view = !session() ? 'sign-in' : item ? 'gallery' : location.hash === '#exports' ? 'exports' : 'items';
  show(view);
  scrollTo(0, 0);
  if (view === 'gallery') watch(() => openGallery(item));
  if (view === 'items') watch(openItems);
  if (view === 'exports') watch(openExports);
}

// The heading says to a screen reader, and to the keyboard, that this is another view.
const focusView = () => find('main > section:not([hidden]) h1').focus();

addEventListener('hashchange', () => {
  follow();
  focusView();
});

function leave() {
  forgetSession();
  abandonSending();
  forgetItems();
  follow();
}

addEventListener('tolva:signed-out', () => {
  leave();
  report(new Problem('session_ended'));
});

find('#sign-in form').addEventListener('submit', (event) => {
  event.preventDefault();
  const form = event.target;
  attempt(form, async () => {
    await signIn(form.elements.email.value, form.elements.password.value);
    form.reset();
    follow();
    focusView();
  });
});

find('#sign-out').addEventListener('click', (event) => {
  attempt(event.target, async () => {
    await call('DELETE', '/v1/sessions');
    history.replaceState(null, '', '/');
    leave();
    find('#sign-in [name=email]').focus();
  });
});

find('#language').addEventListener('click', () => {
  switchLanguage();
  writeTexts();
  forgetProblem();
  redrawItems();
  redrawGallery();
  redrawExports();
  redrawSending();
});

// A file that misses the gallery would be opened in place of the page.
for (const name of ['dragover', 'drop']) addEventListener(name, (event) => event.preventDefault());

writeTexts();
follow();
