// The part of Node's EventEmitter that MQTT clients use.

import { TabmqError } from './errors.js';

type Listener<T extends unknown[]> = (...args: T) => void;

/** Errors that reached a listener or were reported. One failure may end a bus and all of its clients. */
const reported = new WeakSet<object>();

/** @internal Reports an error without a listener, as `window`'s `error` event and on the console. */
export function report(error: object): void {
    if (!reported.has(error)) {
        reported.add(error);
        reportError(error);
    }
}

/** @internal Marks an error that reaches the app in another way. */
export function markReported(error: object): void {
    reported.add(error);
}

/**
 * Listeners by event. An exception of a listener is reported, and the others are still called. An `error` without a listener is
 * also reported.
 */
export class Emitter<Events extends { [name in keyof Events]: unknown[] }> {
    readonly #listeners = new Map<keyof Events, Set<Listener<any>>>();

    /** @internal Keeps Vue's `ref` and `reactive` from wrapping the object. Their proxies cannot read its private members. */
    readonly __v_skip = true;

    /** Adds a listener for events of this name. */
    on<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): this {
        if (typeof listener !== 'function') {
            throw new TabmqError('invalid-option', `A listener is a function, not ${String(listener)}.`);
        }
        let listeners = this.#listeners.get(name);
        if (listeners === undefined) {
            this.#listeners.set(name, listeners = new Set());
        }
        listeners.add(listener);
        return this;
    }

    once<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): this {
        const once = (...args: Events[Name]): void => {
            this.off(name, once);
            listener(...args);
        };
        return this.on(name, once);
    }

    off<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): this {
        this.#listeners.get(name)?.delete(listener);
        return this;
    }

    removeListener<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): this {
        return this.off(name, listener);
    }

    /** @internal */
    protected hasListeners(name: keyof Events): boolean {
        return (this.#listeners.get(name)?.size ?? 0) > 0;
    }

    /** @internal */
    protected emit<Name extends keyof Events>(name: Name, ...args: Events[Name]): void {
        const listeners = [...(this.#listeners.get(name) ?? [])];
        if (name === 'error') {
            const error = args[0] as object;
            if (listeners.length > 0) {
                reported.add(error);
            } else {
                // Another object with the same failure may have a listener.
                queueMicrotask(() => report(error));
            }
        }
        for (const listener of listeners) {
            try {
                listener(...args);
            } catch (error) {
                reportError(error);
            }
        }
    }
}
