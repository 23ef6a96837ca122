// Errors, each with a code for programs and a sentence for people.

import { type BusStorageEvent, isFault } from './storage.js';
import type { Problem } from './wire.js';

/**
 * - `invalid-option`: an option or argument is invalid; the sentence names it.
 * - `unsupported`: this browser lacks an API that TabMQ needs, or the page has an opaque origin.
 * - `worker-missing`: the worker's script could not be loaded.
 * - `wasm-missing`: the worker's WebAssembly could not be loaded.
 * - `blocked-by-csp`: the page's Content Security Policy forbids the worker or its WebAssembly.
 * - `build-mismatch`: page and worker are of different builds.
 * - `worker-failed`: the worker ended with an error.
 * - `refused`: the broker refused; `reasonCode` is MQTT's.
 * - `disconnected`: the broker ended the connection; `reasonCode` is MQTT's.
 * - `not-connected`: the client is not connected, and is not connecting.
 * - `invalid-topic`: not a topic name, or not a topic filter.
 * - `too-large`: larger than the broker accepts or MQTT can carry.
 * - `too-many`: 64 MiB wait to be published already, or 65,535 subscriptions for their answer.
 * - `timeout`: no answer in time.
 * - `aborted`: the caller's `AbortSignal` was aborted.
 * - `closed`: the bus or the client was closed meanwhile.
 * - `unheard`: messages without a listener of `message` wait, and block all others of the client.
 * - `lock-held`: the channel has no broker, because another script of this origin holds its lock. The tab waits for the lock, and
 *   repeats the error meanwhile.
 * - `storage-full`, `storage-failing`, `storage-memory`, `storage-removed`, `storage-lost`, `storage-damaged`, `storage-skipped`: the
 *   fault that the event `storage` reports under the same word.
 */
export type TabmqErrorCode =
    | 'invalid-option'
    | 'unsupported'
    | 'worker-missing'
    | 'wasm-missing'
    | 'blocked-by-csp'
    | 'build-mismatch'
    | 'worker-failed'
    | 'refused'
    | 'disconnected'
    | 'not-connected'
    | 'invalid-topic'
    | 'too-large'
    | 'too-many'
    | 'timeout'
    | 'aborted'
    | 'closed'
    | 'unheard'
    | 'lock-held'
    | 'storage-full'
    | 'storage-failing'
    | 'storage-memory'
    | 'storage-removed'
    | 'storage-lost'
    | 'storage-damaged'
    | 'storage-skipped';

/** The class of all errors that TabMQ throws or rejects with. */
export class TabmqError extends Error {
    override readonly name = 'TabmqError';
    readonly code: TabmqErrorCode;
    /** MQTT's reason code, where the broker gave one. */
    readonly reasonCode: number | undefined;

    constructor(code: TabmqErrorCode, message: string, options: { reasonCode?: number; cause?: unknown } = {}) {
        super(message, options.cause === undefined ? undefined : { cause: options.cause });
        this.code = code;
        this.reasonCode = options.reasonCode;
    }
}

/** @internal The error for an event of the storage; `undefined` if the event is no fault. */
export function storageFault({ kind, message }: BusStorageEvent): TabmqError | undefined {
    return isFault(kind) ? new TabmqError(`storage-${kind}`, message) : undefined;
}

/** @internal The reason that no tab becomes the broker. */
export function lockHeld(lock: string): TabmqError {
    return new TabmqError('lock-held', `There is no broker, because another script of this origin holds the lock ${lock}. Close its page, or release the lock.`);
}

/** @internal The error for an aborted signal. */
export function aborted(signal: AbortSignal): TabmqError {
    return new TabmqError('aborted', 'The caller gave it up.', { cause: signal.reason });
}

/** @internal The broker's refusal. */
export function refused(what: string, reasonCode: number): TabmqError {
    return new TabmqError('refused', `${what} was refused with reason code ${hex(reasonCode)}.`, { reasonCode });
}

/** @internal */
export function hex(reasonCode: number): string {
    return `0x${reasonCode.toString(16).padStart(2, '0').toUpperCase()}`;
}

const PROBLEMS: Partial<Record<Extract<Problem, string>, [TabmqErrorCode, string]>> = {
    NotConnected: ['not-connected', 'The client is not connected.'],
    NoBroker: ['not-connected', 'There is no broker at the moment.'],
    Replaced: ['closed', 'Another connection took its place.'],
    NoTopicFilter: ['invalid-topic', 'No topic filter.'],
    TooMuchWaiting: ['too-many', 'Too much waits to be published already.'],
    TooManyInFlight: ['too-many', '65,535 requests wait for an answer already.'],
};

/** @internal The error for a command that failed. */
export function problem(it: Problem): TabmqError {
    if (typeof it === 'string') {
        // Other problems are bugs of this package.
        const [code, message] = PROBLEMS[it] ?? ['worker-failed', it];
        return new TabmqError(code, message);
    }
    if ('Channel' in it) {
        return new TabmqError('invalid-option', `Not a channel name: ${JSON.stringify(it.Channel)}`);
    }
    if ('Topic' in it) {
        return new TabmqError('invalid-topic', `Not a topic name: ${it.Topic}`);
    }
    if ('TopicFilter' in it) {
        return new TabmqError('invalid-topic', `Not a topic filter: ${it.TopicFilter}`);
    }
    if ('TooLarge' in it) {
        return new TabmqError('too-large', `The message is larger than the ${it.TooLarge.maximum} bytes that the broker accepts.`);
    }
    return new TabmqError('too-large', `This cannot be sent: ${it.NotEncodable}`);
}
