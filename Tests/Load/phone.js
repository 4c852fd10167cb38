// A phone's gallery: all photos of the directory PHOTOS in one request, ITERATIONS times.
import { change, gallery, signIn, settle, THRESHOLDS, TREND_STATS, upload } from './tolva.js';

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
  upload(user, photos.map(change));
}
