// Packs `dist` as npm would publish it, looks at what is in it, and installs it for the examples.

import { execFileSync } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const run = (program, ...args) => execFileSync(program, args, { cwd: here('.'), encoding: 'utf8', shell: process.platform === 'win32', stdio: ['ignore', 'pipe', 'inherit'] });

const EXPECTED = [
    /^LICENSE-(APACHE|MIT)$/, /^README\.md$/, /^package\.json$/,
    /^(index|mqttjs|react|inline)\.(js|d\.ts)$/, /^shared-\w+\.js$/, /^worker\.js$/, /^worker_bg\.wasm$/,
    /^(bincode|bus|client|emitter|errors|hub|socket|topics|wire|worker-url)\.d\.ts$/,
];

const [{ filename, files, size }] = JSON.parse(run('npm', 'pack', './dist', '--json', '--pack-destination', '.'));
const names = files.map(({ path }) => path);
const unexpected = names.filter((name) => !EXPECTED.some((pattern) => pattern.test(name)));
const missing = EXPECTED.filter((pattern) => !names.some((name) => pattern.test(name)));
if (unexpected.length > 0 || missing.length > 0) {
    throw new Error(`the package has too much (${unexpected}) or too little (${missing})`);
}
console.log(`${filename}: ${names.length} files, ${(size / 1000).toFixed(1)} kB`);

console.log(run('npx', 'publint', 'run', '--strict', filename).trim());
// Bundlers and browsers only: nobody requires it, and WebAssembly has no types.
console.log(run('npx', 'attw', filename, '--profile', 'esm-only', '--exclude-entrypoints', './worker.js', './worker_bg.wasm', '--format', 'ascii', '--no-emoji').trim());

await rm(here('node_modules/tabmq'), { recursive: true, force: true });
await mkdir(here('node_modules/tabmq'), { recursive: true });
run('tar', 'xzf', filename, '--strip-components=1', '-C', 'node_modules/tabmq');
await rm(here(filename));
