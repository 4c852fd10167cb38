// The server as the page sees it: the session, JSON calls, media, uploads.

// Phones on bad links pause for minutes: the server waits as long between two packets.
const STALL_MILLISECONDS = 300_000;
const ANSWER_MILLISECONDS = 30_000;
const MOST_A_PAGE = 200;
const SESSION = 'tolva.session';

// An answer that is not a success, or none at all. Its code is the server's, or a key of the page's texts.
export class Problem extends Error {
  constructor(code, { status = 0, detail = '', request_id = '', rejected = [] } = {}) {
    super(detail || code);
    Object.assign(this, { code, status, detail, requestID: request_id, rejected });
  }

  static from(status, body) {
    try {
      const { code, ...members } = JSON.parse(body);
      return new Problem(code, { ...members, status });
    } catch {
      return new Problem('no_answer', { status }); // A proxy's own page.
    }
  }
}

export const session = () => JSON.parse(sessionStorage.getItem(SESSION));
export const forgetSession = () => sessionStorage.removeItem(SESSION);

const authorization = () => (session() ? { Authorization: `Bearer ${session().token}` } : {});

async function request(path, options, read) {
  try {
    const headers = { ...options.headers, ...authorization() };
    const response = await fetch(path, { credentials: 'omit', ...options, headers });
    if (response.ok) return await read(response);
    throw Problem.from(response.status, await response.text());
  } catch (error) {
    if (error instanceof Problem || error.name === 'AbortError') throw error;
    throw new Problem('connection_lost');
  }
}

// One JSON call; null for an answer without a body.
export function call(method, path, body) {
  const options = { method, signal: AbortSignal.timeout(ANSWER_MILLISECONDS) };
  if (body) {
    options.headers = { 'Content-Type': 'application/json' };
    options.body = JSON.stringify(body);
  }
  return request(path, options, (response) => (response.status === 204 ? null : response.json()));
}

// The newest of `assets` or `exports`, as many as are wanted, and whether there are more.
export async function newest(kind, wanted, filter = {}) {
  const found = [];
  let next = null;
  do {
    const query = new URLSearchParams({ ...filter, limit: Math.min(MOST_A_PAGE, wanted - found.length) });
    if (next) query.set('cursor', next);
    const page = await call('GET', `/v1/${kind}?${query}`);
    found.push(...page[kind]);
    next = page.next_cursor;
  } while (next && found.length < wanted);
  return { found, next };
}

export async function signIn(email, password) {
  forgetSession();
  const opened = await call('POST', '/v1/sessions', { email, password });
  sessionStorage.setItem(SESSION, JSON.stringify(opened));
}

// Media need the token, so no address in the page can load them: the bytes come here first.
export const media = (path, signal) => request(path, { signal }, (response) => response.blob());

// Sends files in one multipart request. Returns the promise of the answer, and a way to stop.
export function upload(path, files, onProgress) {
  const form = new FormData();
  for (const file of files) form.append('file', file);
  const request = new XMLHttpRequest();
  const answer = new Promise((resolve, reject) => {
    let stalled = 0;
    const moved = () => {
      clearTimeout(stalled);
      stalled = setTimeout(() => request.abort(), STALL_MILLISECONDS);
    };
    request.upload.onprogress = ({ loaded, total }) => {
      moved();
      onProgress(loaded, total);
    };
    request.onload = () => {
      const problem = request.status === 201 ? null : Problem.from(request.status, request.responseText);
      if (problem) reject(problem);
      else resolve(JSON.parse(request.responseText));
    };
    request.onerror = request.onabort = async () => {
      reject(new Problem((await readable(files)) ? 'upload_lost' : 'file_unreadable'));
    };
    request.onloadend = () => clearTimeout(stalled);
    request.open('POST', path);
    for (const [name, value] of Object.entries(authorization())) request.setRequestHeader(name, value);
    request.send(form);
    moved();
  });
  return { answer, stop: () => request.abort() };
}

// A browser gives the same error for a broken connection and for a file that was changed or taken away.
async function readable(files) {
  try {
    await Promise.all(files.map((file) => file.slice(0, 1).arrayBuffer()));
    return true;
  } catch {
    return false;
  }
}
