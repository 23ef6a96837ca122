// Where the worker's script is, how it is started from there, and what keeps it from starting.

import { TabmqError } from './errors.js';

/** A URL, or what a page with Trusted Types makes of one. */
export type ScriptUrl = string | URL | { toString(): string };

/** A worker, and the URL of its script, for people; `undefined` where the bundler keeps it to itself. */
export interface Started {
    readonly worker: Worker;
    readonly url: string | undefined;
}

/** How long a script may say nothing after it was started, in milliseconds. */
const HELLO_MS = 10_000;
/** How long a script may say nothing after it was fetched, in milliseconds. */
const RUN_MS = 1_000;

/**
 * Starts the worker.
 *
 * @throws {TabmqError} `worker-missing` or `blocked-by-csp`, as far as the browser says so at once.
 */
export function startWorker(given: ScriptUrl | undefined): Started {
    if (given === undefined && import.meta.url === undefined) {
        throw new TabmqError('worker-missing', 'This bundle has no import.meta.url: say where worker.js is with workerUrl.');
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

/** Bundlers recognise this line as it is, and put the worker where it belongs. */
function bundledWorker(): Worker {
    return new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
}

/** Where the bundler has put the worker: evaluates the line above with a `Worker` that notes its arguments. */
function whereBundled(): [ScriptUrl?, WorkerOptions?] {
    const real = globalThis.Worker;
    let noted: [ScriptUrl?, WorkerOptions?] = [];
    try {
        globalThis.Worker = function (...it: typeof noted) { noted = it; } as unknown as typeof Worker;
        bundledWorker();
    } catch {
        // The page has frozen its globals, or the real one will say what is wrong.
    }
    if (globalThis.Worker !== real) {
        globalThis.Worker = real;
    }
    return noted;
}

/** Workers come from the page's own origin only; a script of that origin may import one of another. */
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
 * The name of the build that a worker is of, which it says as soon as its script runs. A slow network may take its time.
 *
 * @throws {TabmqError} `worker-failed` if the script is there and says nothing.
 */
export function hello({ worker, url }: Started, isWanted: () => boolean): Promise<string> {
    return new Promise((resolve, reject) => {
        let timer = setTimeout(async () => {
            if (!isWanted()) {
                return;
            }
            // Takes about as long as the worker's own request, on a slow network too.
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

/** Why the browser did not construct the worker. */
function notStarted(cause: unknown, url: string | undefined): TabmqError {
    const { name, message } = cause as Error;
    const isTrusted = /Trusted/.test(message);
    const isBlocked = isTrusted || (name === 'SecurityError' && !url?.includes('-extension:'));
    return new TabmqError(isBlocked ? 'blocked-by-csp' : 'worker-missing', `TabMQ's worker${at(url)} could not be loaded. ${message} `
        + (isTrusted ? 'Say it as a TrustedScriptURL with workerUrl.' : isBlocked ? `It needs: ${policyFor(url)}` : 'Say where it is with workerUrl.'), { cause });
}

/** Why a worker's script could not be loaded; `violated` is the directive that forbids it, if one does. */
export function notLoaded(url: string | undefined, violated: string | undefined): TabmqError {
    return new TabmqError(violated ? 'blocked-by-csp' : 'worker-missing', `TabMQ's worker${at(url)} could not be loaded. ${violated
        ? `The Content Security Policy forbids it (${violated}). It needs: ${policyFor(url)}`
        : url?.includes('vite/deps/')
            ? "Vite needs optimizeDeps: { exclude: ['tabmq'] }."
            : 'Check that worker.js is there and sent as text/javascript, or say where it is with workerUrl.'
                // The page does not hear of what the policy forbids the worker.
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

/** Throws what this browser or this page lacks, if it lacks anything. */
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
