// Finds the worker's script, starts it, and explains why it does not start.

import { TabmqError } from './errors.js';

/** A URL, or a `TrustedScriptURL`. */
export type ScriptUrl = string | URL | { toString(): string };

/** A worker, and the URL of its script for error texts; `undefined` if the bundler hides it. */
export interface Started {
    readonly worker: Worker;
    readonly url: string | undefined;
}

/** Time (ms) from the start of a script after which its hello is overdue. */
const HELLO_MS = 10_000;
/** Time (ms) from the fetch of a script to its hello. */
const RUN_MS = 1_000;

/**
 * Starts the worker.
 *
 * @throws {TabmqError} `worker-missing` or `blocked-by-csp`, if the browser reports it at once.
 */
export function startWorker(given: ScriptUrl | undefined): Started {
    if (given === undefined && import.meta.url === undefined) {
        throw new TabmqError('worker-missing', 'This bundle has no import.meta.url: set workerUrl to the URL of worker.js.');
    }
    const [script, options = {}] = given === undefined ? whereBundled() : [given, { type: 'module' } as const];
    const url = script && new URL(String(script), document.baseURI).href;
    try {
        const worker = url !== undefined && isElsewhere(url)
            ? startFrom(url, options)
            : given === undefined ? bundledWorker() : new Worker(given as string, options);
        return { worker, url };
    } catch (cause) {
        throw notStarted(cause, url);
    }
}

/** Bundlers recognise exactly this expression, and emit the worker. */
function bundledWorker(): Worker {
    return new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
}

/** The URL that the bundler gave the worker: evaluates the line above with a `Worker` that records its arguments. */
function whereBundled(): [ScriptUrl?, WorkerOptions?] {
    const real = globalThis.Worker;
    let noted: [ScriptUrl?, WorkerOptions?] = [];
    try {
        globalThis.Worker = function (...it: typeof noted) { noted = it; } as unknown as typeof Worker;
        bundledWorker();
    } catch {
        // The page froze its globals, or the real constructor will throw the same error.
    }
    if (globalThis.Worker !== real) {
        globalThis.Worker = real;
    }
    return noted;
}

/** Starts a script of another origin through a script of the page's origin that imports it, because a worker must be same-origin. */
function startFrom(url: string, options: WorkerOptions): Worker {
    const there = JSON.stringify(url);
    const script = options.type === 'module' ? `import ${there}` : `importScripts(${there})`;
    const trampoline = URL.createObjectURL(new Blob([script], { type: 'text/javascript' }));
    try {
        return new Worker(trampoline, options);
    } finally {
        setTimeout(() => URL.revokeObjectURL(trampoline), 60_000);
    }
}

function isElsewhere(url: string): boolean {
    const { origin, protocol } = new URL(url);
    return /^https?:$/.test(protocol) && origin !== location.origin;
}

/**
 * Resolves with the build of a worker, from the hello that its script posts first. A slow network may take longer than the time-outs.
 *
 * @throws {TabmqError} `worker-failed` if the script loads and posts no hello.
 */
export function hello({ worker, url }: Started, isWanted: () => boolean): Promise<string> {
    return new Promise((resolve, reject) => {
        let timer = setTimeout(async () => {
            if (!isWanted()) {
                return;
            }
            // This takes about as long as the worker's own request, also on a slow network.
            await (url && fetch(url).then((it) => it.text()).catch(() => undefined));
            timer = setTimeout(() => reject(new TabmqError('worker-failed', `The script${at(url)} is no TabMQ worker of this version.`)), RUN_MS);
        }, HELLO_MS);
        worker.addEventListener('message', ({ data }) => {
            if (data?.tabmq === 'hello') {
                clearTimeout(timer);
                resolve(data.build);
            }
        });
    });
}

/** The error for a worker that the browser did not construct. */
function notStarted(cause: unknown, url: string | undefined): TabmqError {
    const { name, message } = cause as Error;
    const isTrusted = /Trusted/.test(message);
    const isBlocked = isTrusted || (name === 'SecurityError' && !url?.includes('-extension:'));
    return new TabmqError(isBlocked ? 'blocked-by-csp' : 'worker-missing', `TabMQ's worker${at(url)} could not be loaded. ${message} `
        + (isTrusted ? 'Set workerUrl to a TrustedScriptURL.' : isBlocked ? `It needs: ${policyFor(url)}` : 'Set workerUrl to its URL.'), { cause });
}

/** The error for a script that did not load; `violated` is the directive that forbids it, if any. */
export function notLoaded(url: string | undefined, violated: string | undefined): TabmqError {
    return new TabmqError(violated ? 'blocked-by-csp' : 'worker-missing', `TabMQ's worker${at(url)} could not be loaded. ${violated
        ? `The Content Security Policy forbids it (${violated}). It needs: ${policyFor(url)}`
        : url?.includes('vite/deps/')
            ? "Vite needs optimizeDeps: { exclude: ['tabmq'] }."
            : 'Check that worker.js exists and is sent as text/javascript, or set workerUrl to its URL.'
                // The page gets no event for violations inside the worker.
                + (url && isElsewhere(url) ? ` Its server has to allow CORS, and a Content Security Policy needs: ${policyFor(url)}` : '')}`);
}

function policyFor(url = ''): string {
    const isBlob = url.startsWith('blob:');
    const there = url && isElsewhere(url) ? new URL(url).origin : "'self'";
    const worker = isBlob ? 'blob:' : there === "'self'" ? there : `blob: ${there}`;
    return `script-src ${there} 'wasm-unsafe-eval'; worker-src ${worker}; connect-src ${isBlob ? 'data:' : there}.`;
}

/** A `data:` URL may be the whole script. */
function at(url: string | undefined): string {
    return url === undefined ? '' : ` at ${url.slice(0, 300)}`;
}

/** Throws `unsupported` if this browser or this page lacks something that TabMQ needs. */
export function checkBrowser(): void {
    if (typeof document === 'undefined') {
        throw new TabmqError('unsupported', 'TabMQ needs a page, not a worker or a server.');
    }
    const needed = ['Worker', 'WebAssembly', 'BroadcastChannel', 'MessageChannel'] as const;
    const missing = needed.filter((name) => typeof globalThis[name] === 'undefined');
    if (missing.length > 0) {
        throw new TabmqError('unsupported', `This browser has no ${missing.join(', ')}, which TabMQ needs.`);
    }
    if (globalThis.origin === 'null') {
        throw new TabmqError(
            'unsupported',
            'This page has an opaque origin: it is a sandboxed frame without allow-same-origin, a data: URL or a file.',
        );
    }
}
