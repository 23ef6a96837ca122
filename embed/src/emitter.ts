// Events as in Node's EventEmitter, the part that clients of MQTT use.

import { TabmqError } from './errors.js';

type Listener<T extends unknown[]> = (...args: T) => void;

/** Errors that a listener got, or that were reported: one failure may end a bus and all of its clients. */
const known = new WeakSet<object>();

/** @internal Reports an error that nobody listened for, as `window`'s `error` event and on the console. */
export function report(error: object): void {
    if (!known.has(error)) {
        known.add(error);
        reportError(error);
    }
}

/** @internal Somebody gets this error in another way. */
export function told(error: object): void {
    known.add(error);
}

/**
 * Listeners by event. A listener that throws is reported, and the others are called all the same. An `error` without a listener
 * is reported, too.
 */
export class Emitter<Events extends { [name in keyof Events]: unknown[] }> {
    readonly #listeners = new Map<keyof Events, Set<Listener<any>>>();

    /** @internal Vue's `ref` and `reactive` leave the object as it is. Their proxies cannot read its private members. */
    readonly __v_skip = true;

    /** Calls the listener at each event of this name. */
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
    protected hears(name: keyof Events): boolean {
        return (this.#listeners.get(name)?.size ?? 0) > 0;
    }

    /** @internal */
    protected emit<Name extends keyof Events>(name: Name, ...args: Events[Name]): void {
        const listeners = [...(this.#listeners.get(name) ?? [])];
        if (name === 'error') {
            const error = args[0] as object;
            if (listeners.length > 0) {
                known.add(error);
            } else {
                // Others who share the failure may listen.
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
