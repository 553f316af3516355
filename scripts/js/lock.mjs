/** Leave addresses out of the lock: packages come from whichever registry npm is set to. */

import { readFileSync, writeFileSync } from 'node:fs';

const file = new URL('package-lock.json', import.meta.url);
const lock = JSON.parse(readFileSync(file, 'utf8'));
for (const each of Object.values(lock.packages)) {
  delete each.resolved;
  delete each.funding;
}
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
