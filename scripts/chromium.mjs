// Prints the path of a Chromium for browser tests; installs Debian's when there is none: node scripts/chromium.mjs
import { findOrInstall } from './debian.mjs';

export function chromiumPath() {
  return findOrInstall(['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'], 'chromium');
}

if (import.meta.main) console.log(chromiumPath());
