// Checks the package as other tools take it. A test with `require` and without a browser, as in Jest, can load it, and hears that
// there is no browser.

// Jest's jsdom has none.
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
    // Next.js takes it for a server's component otherwise.
    assert.match(readFileSync(require.resolve('tabmq/react').replace('.cjs', '.js'), 'utf8'), /^"use client";/);
    // A worker of the app's own that imports this one consists of side effects.
    const { outputFiles } = await esbuild.build({
        stdin: { contents: "import 'tabmq/worker.js';", resolveDir: __dirname },
        bundle: true,
        format: 'esm',
        write: false,
    });
    assert.match(outputFiles[0].text, /worker_bg\.wasm/);
}

main();
