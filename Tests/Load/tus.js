// The same gallery over a link that drops: one tus upload a photo, a PATCH every 2 MiB, as clients on phones do.
import { change, gallery, signIn, settle, THRESHOLDS, TREND_STATS } from './tolva.js';
import { sendByTus } from './protocol.js';

export { handleSummary } from './tolva.js';

const photos = gallery(__ENV.PHOTOS, Number(__ENV.COUNT));

export const options = {
  iterations: Number(__ENV.ITERATIONS),
  thresholds: THRESHOLDS,
  summaryTrendStats: TREND_STATS,
};

export const setup = signIn;
export const teardown = settle;

export default function (user) {
  photos.forEach((photo) => sendByTus(user, change(photo), 2 << 20));
}
