// Where the worker's script is, and how it is started from there.

import { TabmqError } from './errors.js';

/** A URL, or what a page with Trusted Types makes of one. */
export type ScriptUrl = string | URL | { toString(): string };

/** Starts the worker. Bundlers recognise the last line as it is, and put the worker where it belongs. */
export function startWorker(url: ScriptUrl | undefined): Worker {
    if (url !== undefined) {
        return startFrom(url);
    }
    if (isElsewhere(import.meta.url)) {
        // In words that no bundler takes for a file of its own.
        return startFrom(import.meta.url.replace(/[^/]*$/, 'worker.js'));
    }
    return new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
}

function startFrom(url: ScriptUrl): Worker {
    const options = { type: 'module', name: 'tabmq' } as const;
    if (!isElsewhere(String(url))) {
        return new Worker(url as string, options);
    }
    // Workers come from the page's own origin only; a script of that origin may import one of another.
    const script = `import ${JSON.stringify(new URL(String(url), document.baseURI).href)};`;
    const trampoline = URL.createObjectURL(new Blob([script], { type: 'text/javascript' }));
    try {
        return new Worker(trampoline, options);
    } finally {
        setTimeout(() => URL.revokeObjectURL(trampoline), 60_000);
    }
}

function isElsewhere(url: string): boolean {
    const { origin, protocol } = new URL(url, document.baseURI);
    return /^https?:$/.test(protocol) && origin !== location.origin;
}

/** What this browser or this page lacks, if it lacks anything. */
export function checkBrowser(): void {
    const needed = ['Worker', 'WebAssembly', 'BroadcastChannel', 'MessageChannel'] as const;
    const missing = needed.filter((name) => typeof globalThis[name] === 'undefined');
    if (missing.length > 0) {
        throw new TabmqError('unsupported', `This browser has no ${missing.join(', ')}. TabMQ needs one of 2023 or later.`);
    }
    if (globalThis.origin === 'null') {
        throw new TabmqError(
            'unsupported',
            'This page has an opaque origin, so it shares nothing with other tabs. It is a sandboxed frame without allow-same-origin, a data: URL or a file.',
        );
    }
}
