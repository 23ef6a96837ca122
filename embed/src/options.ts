// Checks options before the worker starts.

import type { OpenOptions } from './bus.js';
import { TabmqError } from './errors.js';

/** The error for an invalid option or argument. */
export function invalid(sentence: string): TabmqError {
    return new TabmqError('invalid-option', sentence);
}

/**
 * Checks everything that can be checked without a worker.
 *
 * @throws {TabmqError} `invalid-option`
 */
export function checkOptions(options: OpenOptions): void {
    checkObject(options);
    const { channel, workerUrl, wasmUrl, durability = 'relaxed', role = 'auto', persist = 'auto' } = options;
    if (typeof channel !== 'string' || !/^[A-Za-z0-9._-]{1,64}$/.test(channel)) {
        throw invalid(`Not a channel name: ${JSON.stringify(channel)}. It has 1 to 64 of A-Z a-z 0-9 . _ -`);
    }
    check('durability', durability, ['relaxed', 'strict', 'memory']);
    check('role', role, ['auto', 'client']);
    check('persist', persist, ['auto', 'ask', 'never']);
    checkUrl(workerUrl);
    checkUrl(wasmUrl);
    checkSignal(options);
}

export function checkObject(options: unknown): void {
    if (!options || typeof options !== 'object') {
        throw invalid(`Options are an object, not ${options}.`);
    }
}

function checkUrl(url: unknown): void {
    try {
        new URL(String(url), 'https://page');
    } catch {
        throw invalid(`Not a URL: ${url}`);
    }
}

/** Checks for a method, because a signal of another realm has another class. */
export function checkSignal({ signal }: { signal?: unknown }): void {
    if (signal && !(signal as Partial<AbortSignal>).addEventListener) {
        throw invalid('signal is no AbortSignal.');
    }
}

function check(name: string, value: string, allowed: string[]): void {
    if (!allowed.includes(value)) {
        throw invalid(`${name} is ${allowed.join(' or ')}, not ${JSON.stringify(value)}.`);
    }
}
