// Callers that wait for an AbortSignal.

import { checkSignal } from './options.js';

/** Callers that want to know that a signal is aborted: one listener for all of them, as there may be ten thousand. */
const aborting = new WeakMap<AbortSignal, Set<() => void>>();

/** Runs when a signal is aborted. Returns what prevents it. */
export function onAbort(signal: AbortSignal, run: () => void): () => void {
    checkSignal({ signal });
    let all = aborting.get(signal);
    if (all === undefined) {
        const created = all = new Set();
        aborting.set(signal, all);
        signal.addEventListener('abort', () => created.forEach((it) => it()), { once: true });
    }
    all.add(run);
    return () => void all.delete(run);
}
