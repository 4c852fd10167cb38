// tus 1.0, as a client sees it.
import { check } from 'k6';
import { b64encode } from 'k6/encoding';
import http from 'k6/http';
import { BASE_URL, measure } from './tolva.js';

const VERSION = { 'Tus-Resumable': '1.0.0' };

// Sends a file in pieces of so many bytes, and gives the assets it became: one, if all went well.
export function sendByTus(user, file, pieceBytes) {
  const length = file.bytes.byteLength;
  const metadata = `filename ${b64encode(file.name)},item_id ${b64encode(user.item)}`;
  const begun = http.post(`${BASE_URL}/v1/uploads`, null, {
    headers: Object.assign({ 'Upload-Length': `${length}`, 'Upload-Metadata': metadata }, VERSION, user.headers),
  });
  if (!check(begun, { 'an upload is begun': ({ status }) => status === 201 })) return [];
  const url = begun.headers.Location;
  for (let offset = 0; offset < length; offset += pieceBytes) {
    const headers = { 'Content-Type': 'application/offset+octet-stream', 'Upload-Offset': `${offset}` };
    const piece = file.bytes.slice(offset, offset + pieceBytes);
    const answer = http.patch(url, piece, { headers: Object.assign(headers, VERSION, user.headers), timeout: '300s' });
    measure(answer);
    if (!check(answer, { 'a piece is taken': ({ status }) => status === 204 })) return [];
  }
  const upload = http.get(url, { headers: user.headers });
  const isAsset = ({ status }) => status === 200 && Boolean(upload.json('asset.id'));
  return check(upload, { 'the upload is an asset': isAsset }) ? [upload.json('asset')] : [];
}
