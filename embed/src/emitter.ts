// Events as in Node's EventEmitter, the part that clients of MQTT use.

type Listener<T extends unknown[]> = (...args: T) => void;

/** Listeners by event. One that throws is reported, and keeps nobody from hearing. */
export class Emitter<Events extends { [name in keyof Events]: unknown[] }> {
    readonly #listeners = new Map<keyof Events, Set<Listener<any>>>();

    /** Hears of an event. Returns what ends that. */
    on<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): this {
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

    protected hears(name: keyof Events): boolean {
        return (this.#listeners.get(name)?.size ?? 0) > 0;
    }

    protected emit<Name extends keyof Events>(name: Name, ...args: Events[Name]): void {
        for (const listener of [...(this.#listeners.get(name) ?? [])]) {
            try {
                listener(...args);
            } catch (error) {
                reportError(error);
            }
        }
    }
}
