// Builds the package into `dist`, from `src` and from the worker in `glue`: node build.mjs BUILD VERSION

import { execFileSync } from 'node:child_process';
import { copyFile, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import esbuild from 'esbuild';

const [BUILD, version] = process.argv.slice(2);
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const dist = here('dist');
await rm(dist, { recursive: true, force: true });
await mkdir(dist, { recursive: true });

const common = {
    bundle: true,
    format: 'esm',
    target: 'es2022',
    minify: true,
    legalComments: 'none',
    define: { BUILD: JSON.stringify(BUILD) },
    logLevel: 'warning',
};

// wasm-opt makes the compiler's module a few kB smaller without making it slower.
const wasm = here('glue/worker_bg.wasm');
execFileSync(process.execPath, [here('node_modules/binaryen/bin/wasm-opt'), '-Oz', '--low-memory-unused', wasm, '-o', wasm], { stdio: 'inherit' });

// One file, so that a cache cannot mix parts of two builds.
await esbuild.build({ ...common, entryPoints: [here('src/worker.js')], outfile: `${dist}/worker.js` });
const script = await readFile(`${dist}/worker.js`, 'utf8');

await esbuild.build({
    ...common,
    entryPoints: ['index.ts', 'mqttjs.ts', 'react.tsx'].map((it) => here(`src/${it}`)),
    outdir: dist,
    splitting: true,
    chunkNames: 'shared-[hash]',
    external: ['react'],
});
await esbuild.build({
    ...common,
    entryPoints: [here('src/inline.ts')],
    outfile: `${dist}/inline.js`,
    loader: { '.wasm': 'dataurl' },
    plugins: [{
        name: 'worker',
        setup(build) {
            build.onResolve({ filter: /^tabmq-worker-script$/ }, ({ path }) => ({ path, namespace: 'worker' }));
            build.onLoad({ filter: /./, namespace: 'worker' }, () => ({ contents: script, loader: 'text' }));
        },
    }],
});
// For `require` without a bundler, as in Jest, where `open` rejects because there is no browser. Bundlers use the other files also for
// `require`, because those contain the URL of the worker.
const entries = { './bus.js': 'index', './errors.js': 'index', './topics.js': 'index' };
for (const name of ['index.ts', 'mqttjs.ts', 'react.tsx']) {
    await esbuild.build({
        ...common,
        format: 'cjs',
        entryPoints: [here(`src/${name}`)],
        outfile: `${dist}/${name.replace(/\..*/, '.cjs')}`,
        external: ['react'],
        logOverride: { 'empty-import-meta': 'silent' },
        plugins: name === 'index.ts' ? [] : [{
            // One `Bus` and one `TabmqError` for all of them.
            name: 'index',
            setup(build) {
                build.onResolve({ filter: /^\.\// }, ({ path }) => (path in entries ? { path: './index.cjs', external: true } : undefined));
            },
        }],
    });
}

// esbuild keeps no directive at the top of what it bundles.
const react = await readFile(`${dist}/react.js`, 'utf8');
await writeFile(`${dist}/react.js`, `"use client";\n${react}`);


const manifest = JSON.parse(await readFile(here('package.dist.json'), 'utf8'));
await writeFile(`${dist}/package.json`, `${JSON.stringify({ ...manifest, version }, null, 2)}\n`);
for (const name of ['LICENSE-MIT', 'LICENSE-APACHE']) {
    await copyFile(here(`../${name}`), `${dist}/${name}`);
}

await copyFile(wasm, `${dist}/worker_bg.wasm`);

// The types.
execFileSync(process.execPath, [here('node_modules/typescript/bin/tsc'), '-p', here('.')], { stdio: 'inherit' });
const declarations = new Map();
for (const name of await readdir(dist)) {
    if (name.endsWith('.d.ts')) {
        declarations.set(name, await readFile(`${dist}/${name}`, 'utf8'));
    }
}
// The declarations that the entries need, directly or not. The others describe internals.
const needed = new Set(['index.d.ts', 'mqttjs.d.ts', 'react.d.ts', 'inline.d.ts']);
for (const name of needed) {
    for (const [, path] of declarations.get(name).matchAll(/(?:from|import) ?\(?['"]\.\/([\w-]+)\.js['"]/g)) {
        needed.add(`${path}.d.ts`);
    }
}
for (const [name, text] of declarations) {
    if (!needed.has(name)) {
        await rm(`${dist}/${name}`);
        continue;
    }
    // Apps may lack this lib. The compiler drops the line if it is in the source.
    const lib = /\bAsyncDisposable\b|\basyncDispose\b/.test(text) ? '/// <reference lib="esnext.disposable" />\n' : '';
    await writeFile(`${dist}/${name}`, lib + text);
    // `tabmq/inline` is the same as `tabmq` there.
    if (name !== 'inline.d.ts') {
        const commonJs = text.replaceAll(/(['"]\.\/[\w-]+)\.js(?=['"])/g, '$1.cjs');
        await writeFile(`${dist}/${name.replace(/ts$/, 'cts')}`, lib + commonJs);
    }
}

// The compressed sizes, and their limits.
const gzip = async (name) => gzipSync(await readFile(`${dist}/${name}`), { level: 9 }).length;
const sum = async (names) => (await Promise.all(names.map(gzip))).reduce((a, b) => a + b, 0);
const shared = (await readdir(dist)).filter((name) => /^shared-.*\.js$/.test(name));
const sizes = [
    ['FACADE', 'the page', await sum(['index.js', ...shared]), 15_000],
    ['WORKER', 'the worker and its WebAssembly', await sum(['worker.js', 'worker_bg.wasm']), 275_000],
];
let readme = await readFile(here('README.md'), 'utf8');
for (const [name, what, size, most] of sizes) {
    const shown = `${(size / 1000).toFixed(1)} kB`;
    readme = readme.replace(`@${name}@`, shown);
    console.log(`${what}: ${shown} gzip (at most ${most / 1000} kB)`);
    if (size > most) {
        process.exitCode = 1;
    }
}
await writeFile(`${dist}/README.md`, readme);
