// Everything in one file: for pages without a bundler that would rather not serve two files more. Larger by a third, and a strict
// Content Security Policy needs `worker-src blob:` and `connect-src data:` for it.

import WASM from '../glue/worker_bg.wasm';
import WORKER from 'tabmq-worker-script';

import * as bus from './bus.js';

export * from './index.js';

let workerUrl: string | undefined;

/** As `open` of `tabmq`; `workerUrl` and `wasmUrl` are there already. */
export function open(options: bus.OpenOptions): Promise<bus.Bus> {
    workerUrl ??= URL.createObjectURL(new Blob([WORKER], { type: 'text/javascript' }));
    return bus.open({ ...options, workerUrl: options?.workerUrl ?? workerUrl, wasmUrl: options?.wasmUrl ?? WASM });
}
