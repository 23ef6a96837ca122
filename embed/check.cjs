// Checks the package as other tools load it. A test with `require` and without a browser, as in Jest, can load it, and gets the error
// that there is no browser.

// Jest's jsdom lacks these.
const { TextEncoder, TextDecoder } = globalThis;
delete globalThis.TextEncoder;
delete globalThis.TextDecoder;

const assert = require('node:assert/strict');
const { readFileSync } = require('node:fs');
const esbuild = require('esbuild');
const { TabmqError, matches, open } = require('tabmq');
const { tabs } = require('tabmq/mqttjs');
const { BusProvider } = require('tabmq/react');
Object.assign(globalThis, { TextEncoder, TextDecoder });

async function main() {
    for (const [options, code] of [
        [{ channel: 'a' }, 'unsupported'],
        [undefined, 'invalid-option'],
        [null, 'invalid-option'],
        [{ channel: 'a', signal: 5 }, 'invalid-option'],
        [{ channel: 'a', workerUrl: 'http://[' }, 'invalid-option'],
        [{ channel: 'a', wasmUrl: 'http://[' }, 'invalid-option'],
    ]) {
        await assert.rejects(open(options), (error) => error instanceof TabmqError && error.code === code);
    }
    assert.throws(() => tabs({ channel: 'a b' }), (error) => error instanceof TabmqError && error.code === 'invalid-option');
    const { createWebsocket } = tabs({ channel: 'a' });
    assert.throws(() => createWebsocket('ws://tabs.local', [], {}), (error) => error instanceof TabmqError && error.code === 'unsupported');
    assert.equal(typeof BusProvider, 'function');
    assert.ok(matches('a/#', 'a/b'));
    assert.equal(require('tabmq/inline').open, open);
    // Otherwise Next.js treats it as a server component.
    assert.match(readFileSync(require.resolve('tabmq/react').replace('.cjs', '.js'), 'utf8'), /^"use client";/);
    // An app's own worker that imports this one uses only its side effects.
    const { outputFiles } = await esbuild.build({
        stdin: { contents: "import 'tabmq/worker.js';", resolveDir: __dirname },
        bundle: true,
        format: 'esm',
        write: false,
    });
    assert.match(outputFiles[0].text, /worker_bg\.wasm/);
}

main();
