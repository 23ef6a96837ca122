// Packs `dist` into tabmq.tgz as npm would publish it, checks its contents, and installs it for the examples.

import { execFileSync } from 'node:child_process';
import { mkdir, rename, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const run = (program, ...args) =>
    execFileSync(program, args, { cwd: here('.'), encoding: 'utf8', shell: process.platform === 'win32', stdio: ['ignore', 'pipe', 'inherit'] });

const EXPECTED = [
    'LICENSE-APACHE', 'LICENSE-MIT', 'README.md', 'package.json', 'worker.js', 'worker_bg.wasm', 'shared.js',
    ...['index', 'mqttjs', 'react', 'inline'].flatMap((name) => [`${name}.js`, `${name}.d.ts`]),
    ...['index', 'mqttjs', 'react'].flatMap((name) => [`${name}.cjs`, `${name}.d.cts`]),
    // The declarations that these import.
    ...['bus', 'client', 'client-options', 'emitter', 'errors', 'message', 'socket', 'storage', 'topics', 'worker-url'].flatMap((name) => [`${name}.d.ts`, `${name}.d.cts`]),
];

const [{ filename, files, size }] = JSON.parse(run('npm', 'pack', './dist', '--json', '--pack-destination', '.'));
const names = files.map(({ path }) => path.replace(/^shared-\w+\.js$/, 'shared.js')).sort();
if (names.join() !== [...EXPECTED].sort().join()) {
    throw new Error(`the package has ${names.join(' ')}\ninstead of ${[...EXPECTED].sort().join(' ')}`);
}
console.log(`${filename}: ${names.length} files, ${(size / 1000).toFixed(1)} kB`);
await rename(here(filename), here('tabmq.tgz'));

await rm(here('node_modules/tabmq'), { recursive: true, force: true });
await mkdir(here('node_modules/tabmq'), { recursive: true });
run('tar', 'xzf', 'tabmq.tgz', '--strip-components=1', '-C', 'node_modules/tabmq');
