import { execFileSync } from 'node:child_process';

/**
 * Worker threads and forked children run from `dist/`, so every test run begins with a build of the present sources.
 * `SIPSCRIBE_SKIP_BUILD=1` saves the seconds when the build is known to be fresh.
 */
export default function setup(): void {
  if (process.env.SIPSCRIBE_SKIP_BUILD === '1') return;
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], {
    stdio: 'inherit',
  });
}
