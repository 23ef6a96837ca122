// Callers that wait for an AbortSignal.

import { checkSignal } from './options.js';

/** Callbacks by signal. All callbacks of a signal share one listener, because there may be ten thousand. */
const aborting = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls `run` when the signal is aborted. Returns a function that cancels this. */
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
