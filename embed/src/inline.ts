// The package in one file, for pages without a bundler. It is larger by a third, and a strict Content Security Policy needs
// `worker-src blob:` and `connect-src data:` for it.

import WASM from '../glue/worker_bg.wasm';
import WORKER from 'tabmq-worker-script';

import * as bus from './bus.js';

export * from './index.js';

let workerUrl: string | undefined;

/** As `open` of `tabmq`; `workerUrl` and `wasmUrl` have defaults. */
export function open(options: bus.OpenOptions): Promise<bus.Bus> {
    workerUrl ??= URL.createObjectURL(new Blob([WORKER], { type: 'text/javascript' }));
    return bus.open({ ...options, workerUrl: options?.workerUrl ?? workerUrl, wasmUrl: options?.wasmUrl ?? WASM });
}
