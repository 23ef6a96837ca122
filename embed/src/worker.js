// The worker's script: loads the WebAssembly from the URL that the page names, and hands it the ports that the page attaches.
//
// It listens before it awaits anything, because earlier messages of the page would be lost. It posts its hello at once, because the
// page cannot tell a slow network from a wrong script.

import init from '../glue/worker.js';

const waiting = [];
let state = 'new';

self.addEventListener('message', (event) => {
    const { data, ports } = event;
    if (state === 'running' || !(data instanceof Object) || data instanceof Uint8Array) {
        return;
    }
    event.stopImmediatePropagation();
    if (data.tabmq === 'start' && state === 'new') {
        state = 'loading';
        void start(data);
    } else {
        waiting.push({ data, ports });
    }
});

self.postMessage({ tabmq: 'hello', build: BUILD });

async function start({ wasmUrl, port }) {
    try {
        await init({ module_or_path: await compile(wasmUrl ?? new URL('./worker_bg.wasm', import.meta.url)) });
    } catch (error) {
        port.postMessage({ code: error.code ?? 'worker-failed', message: String(error.message ?? error) });
        return;
    }
    state = 'running';
    for (const { data, ports } of [{ data: { tabmq: 'page', port }, ports: [port] }, ...waiting.splice(0)]) {
        self.dispatchEvent(new MessageEvent('message', { data, ports }));
    }
}

async function compile(url) {
    let response;
    try {
        response = await fetch(url);
    } catch (cause) {
        throw failure('wasm-missing', url, `could not be fetched (${cause.message})`);
    }
    const type = response.headers.get('content-type');
    // Servers for single-page apps answer a missing file with the page itself and a 200.
    if (!response.ok || type?.startsWith('text/html')) {
        throw failure('wasm-missing', url, `is not there: the server answered ${response.status} with ${type ?? 'no content type'}`);
    }
    const bytes = await response.arrayBuffer();
    try {
        return await WebAssembly.compile(bytes);
    } catch (cause) {
        if (/content security policy|unsafe-eval/i.test(cause.message)) {
            throw failure('blocked-by-csp', url, "may not be compiled: the Content Security Policy needs script-src 'wasm-unsafe-eval'");
        }
        throw failure('wasm-missing', url, `is no WebAssembly that this browser can compile (${cause.message})`);
    }
}

function failure(code, url, what) {
    return Object.assign(new Error(`TabMQ's WebAssembly at ${url} ${what}.`), { code });
}
