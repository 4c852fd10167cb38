// Every text of the page, in Spanish and English. {name} stands for a value.
const texts = {
  language: ['English', 'Español'],
  sign_in: ['Entrar', 'Sign in'],
  sign_out: ['Salir', 'Sign out'],
  email: ['Correo electrónico', 'E-mail'],
  password: ['Contraseña', 'Password'],
  loading: ['Cargando…', 'Loading…'],
  more: ['Ver más', 'Show more'],
  cancel: ['Cancelar', 'Cancel'],
  close: ['Cerrar', 'Close'],
  dismiss: ['Entendido', 'Got it'],
  request: ['Solicitud {id}', 'Request {id}'],

  items: ['Elementos', 'Items'],
  search: ['Buscar por código o nombre', 'Search by code or name'],
  items_found: ['Elementos: {count}', 'Items: {count}'],
  no_items: ['No hay elementos todavía.', 'There are no items yet.'],
  nothing_found: ['Nada coincide con la búsqueda.', 'Nothing matches the search.'],
  new_item: ['Nuevo elemento', 'New item'],
  code: ['Código', 'Code'],
  name: ['Nombre', 'Name'],
  kind: ['Tipo (equipo, orden de servicio…)', 'Kind (equipment, service order…)'],
  create: ['Crear', 'Create'],

  all_items: ['Todos los elementos', 'All items'],
  choose: ['Elegir archivos', 'Choose files'],
  or_drop: ['o arrástrelos hasta aquí', 'or drop them here'],
  files: ['Archivos', 'Files'],
  no_files: ['No hay archivos todavía.', 'There are no files yet.'],
  queued: ['En cola', 'Queued'],
  processing: ['Procesando · {percent}', 'Processing · {percent}'],
  failed: ['No se pudo procesar', 'Could not be processed'],
  open: ['Abrir', 'Open'],
  download: ['Descargar', 'Download'],
  downloading: ['Descargando…', 'Downloading…'],
  remove: ['Borrar', 'Delete'],
  remove_question: [
    '¿Borrar «{name}»? El original se borra también.',
    'Delete “{name}”? Its original goes too.',
  ],
  retry: ['Reintentar', 'Try again'],
  settled: ['Listos: {ready}. Con error: {failed}.', 'Ready: {ready}. Failed: {failed}.'],

  exports: ['Exportaciones', 'Exports'],
  export: ['Exportar', 'Export'],
  new_export: ['Nueva exportación', 'New export'],
  no_exports: ['No hay exportaciones todavía.', 'There are no exports yet.'],
  export_all: ['De todos los elementos.', 'Of all items.'],
  export_matching: ['De los elementos que coinciden con «{q}».', 'Of the items that match “{q}”.'],
  which_files: ['Archivos', 'Files'],
  originals: ['Originales', 'Originals'],
  compressed: ['Comprimidos', 'Compressed'],
  both: ['Originales y comprimidos', 'Originals and compressed'],
  add_procedures: ['Agregar los procedimientos de la empresa', 'Add the company’s procedures'],
  ask: ['Pedir', 'Ask for it'],
  ask_again: ['Pedir otra vez', 'Ask again'],
  with_procedures: ['con procedimientos', 'with procedures'],
  without_procedures: ['sin procedimientos', 'without procedures'],
  in_es: ['en español', 'in Spanish'],
  in_en: ['en inglés', 'in English'],
  export_title: ['{when} · Elementos: {items}', '{when} · Items: {items}'],
  export_queued: ['En cola', 'Queued'],
  export_processing: ['Preparando', 'Being built'],
  export_ready: ['Lista', 'Ready'],
  export_failed: ['Incompleta: una parte falló', 'Incomplete: a part failed'],
  export_expired: ['Caducada: sus archivos ya no están', 'Expired: its files are gone'],
  position: ['puesto {position}', 'number {position}'],
  items_done: ['{done} de {total} elementos', '{done} of {total} items'],
  until: ['hasta {when}', 'until {when}'],
  part: ['Parte {number} de {parts}', 'Part {number} of {parts}'],
  part_queued: ['En cola', 'Queued'],
  part_processing: ['Preparando · {percent}', 'Being built · {percent}'],
  part_ready: ['Lista', 'Ready'],
  part_failed: ['Falló', 'Failed'],
  part_expired: ['Caducada', 'Expired'],
  problems: ['Archivos con problemas: {count}', 'Files with problems: {count}'],
  more_problems: ['El ZIP trae la lista completa.', 'The ZIP holds the whole list.'],
  remove_export_question: [
    '¿Borrar esta exportación? Los elementos y sus archivos se quedan.',
    'Delete this export? The items and their files stay.',
  ],

  sending: ['Enviando a {item}', 'Sending to {item}'],
  sent: ['{percent} · {sent} de {total}', '{percent} · {sent} of {total}'],
  storing: ['Todo enviado; el servidor lo está guardando…', 'All sent; the server is storing it…'],
  stored: ['Enviado a {item}', 'Sent to {item}'],
  new: ['Guardados: {count}.', 'Stored: {count}.'],
  duplicate: ['Ya estaban: {count}.', 'Already there: {count}.'],
  rejected: ['Rechazados: {count}.', 'Rejected: {count}.'],
  not_sent: ['No se envió a {item}', 'Not sent to {item}'],
  send_again: ['Enviar otra vez', 'Send again'],
};

// What a problem's code means to the person. The server explains its own in English; here are, in Spanish, those that
// people meet.
const problems = {
  session_ended: ['La sesión terminó. Vuelva a entrar.', 'Your session has ended. Sign in again.'],
  upload_lost: [
    'Se perdió la conexión. Envíelos otra vez: lo que ya llegó se reconoce y no se duplica.',
    'The connection was lost. Send them again: what has arrived is recognised and not stored twice.',
  ],
  file_unreadable: [
    'Un archivo cambió o ya no se puede leer. Elija los archivos otra vez.',
    'A file has changed or can no longer be read. Choose the files again.',
  ],
  connection_lost: [
    'No hay conexión con el servidor. Revise la red e inténtelo otra vez.',
    'The server cannot be reached. Check the network and try again.',
  ],
  no_answer: [
    'El servidor no está disponible ({status}). Inténtelo en unos segundos.',
    'The server is not available ({status}). Try again in a few seconds.',
  ],

  wrong_credentials: ['El correo o la contraseña no es correcto.'],
  too_many_attempts: ['Demasiados intentos fallidos. Espere un poco y vuelva a intentarlo.'],
  code_taken: ['Su empresa ya tiene un elemento con ese código. Elija otro.'],
  forbidden: ['Su cuenta puede ver, pero no cambiar. Pídalo a un administrador de su empresa.'],
  not_found: ['Eso ya no existe en su empresa.'],
  busy: ['El servidor está al límite. Inténtelo otra vez en unos segundos.'],
  database_unavailable: ['La base de datos no responde. No se perdió nada: inténtelo otra vez en unos segundos.'],
  storage_full: ['El servidor no tiene espacio. Avise a su operador y vuelva a enviar los archivos después.'],
  internal: ['Algo falló de nuestro lado. Inténtelo otra vez; si sigue, dé al operador el número de solicitud.'],
  too_many_requests: ['Ya esperan demasiadas solicitudes suyas. Envíe las siguientes cuando se respondan.'],
  too_many_uploads: ['Hay demasiados envíos sin terminar. Termine o borre alguno.'],
  too_many_upload_bytes: ['Los envíos sin terminar ocupan demasiado. Termine o borre alguno.'],
  too_many_files: ['Son demasiados archivos para un envío. Envíe el resto en otro.'],
  images_too_large: ['Las imágenes de este envío suman demasiado. Envíe el resto en otro.'],
  no_file_accepted: ['No se pudo guardar ningún archivo.'],
  no_items: ['Ningún elemento coincide. Cambie la selección o cree un elemento primero.'],
  too_many_items: ['Son demasiados elementos para una exportación. Elija menos y pida varias.'],
  unknown_items: ['Ese elemento ya no existe en su empresa.'],
  too_many_exports: ['Hay demasiadas exportaciones sin terminar. Espere a que una termine o cancele alguna.'],
  part_not_ready: ['Esa parte todavía no está lista.'],
  part_failed: ['Esa parte no se pudo preparar. Pida la exportación otra vez.'],
  export_expired: ['Esta exportación caducó y sus archivos ya no están. Pídala otra vez.'],
  nothing_to_retry: ['Esta exportación ya se está preparando.'],
  asked_for_again: ['Ya se pidió lo mismo otra vez: está en la lista como otra exportación.'],
  empty_file: ['El archivo está vacío. Elíjalo o tómelo otra vez.'],
  content_mismatch: ['El archivo dice ser una foto o un video, pero no lo es. Envíe el original.'],
  unsupported_type: ['Aquí no se guardan documentos de ese tipo.'],
  item_required: ['Las fotos y los videos pertenecen a un elemento. Elija uno y envíelos allí.'],
  bad_filename: ['El nombre del archivo tiene un salto de línea o un carácter nulo. Cámbielo y envíelo otra vez.'],
};

const chosen = localStorage.getItem('tolva.language');
let column = (chosen ?? navigator.language).startsWith('es') ? 0 : 1;

export const language = () => (column === 0 ? 'es' : 'en');

export function switchLanguage() {
  column = 1 - column;
  localStorage.setItem('tolva.language', language());
}

const fill = (words, values) => words.replace(/\{(\w+)\}/g, (_, name) => values[name]);

export const text = (key, values = {}) => fill(texts[key][column], values);

// What a problem says, and in which language.
export function explain(problem) {
  const words = Object.hasOwn(problems, problem.code) && problems[problem.code][column];
  return words ? { words: fill(words, problem), lang: language() } : { words: problem.detail, lang: 'en' };
}

export const percent = (share) =>
  new Intl.NumberFormat(language(), { style: 'percent', maximumFractionDigits: 0 }).format(share);

export const moment = (time) =>
  new Intl.DateTimeFormat(language(), { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(time));

const units = [['GB', 1e9], ['MB', 1e6], ['kB', 1e3], ['B', 0]];

export function size(bytes) {
  const [unit, least] = units.find(([, least]) => bytes >= least);
  return `${new Intl.NumberFormat(language(), { maximumFractionDigits: 1 }).format(bytes / (least || 1))} ${unit}`;
}
