// Videos, one a request: VIDEO names the file, USERS send ITERATIONS of them between them.
import { change, material, signIn, THRESHOLDS, TREND_STATS, upload, WAITING_THRESHOLD } from './tolva.js';

export { handleSummary } from './tolva.js';

const video = material(__ENV.VIDEO);
const isLarge = video.bytes.byteLength > 50e6;

export const options = {
  scenarios: {
    videos: {
      executor: 'shared-iterations',
      vus: Number(__ENV.USERS),
      iterations: Number(__ENV.ITERATIONS),
      maxDuration: '10m',
    },
  },
  // Of a short upload, the one commit is a larger share.
  thresholds: Object.assign({}, THRESHOLDS, isLarge ? WAITING_THRESHOLD : {}),
  summaryTrendStats: TREND_STATS,
};

export const setup = signIn;

export default function (user) {
  upload(user, [change(video)]);
}
