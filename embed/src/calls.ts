// The calls of a client to its worker: waiting, under way, and repeated after the end of a worker.

import { onAbort } from './abort.js';
import type { Writer } from './bincode.js';
import { TabmqError, aborted } from './errors.js';
import type { Hub } from './hub.js';

/** The reason codes of an answer: one, or one for each topic filter. */
export type Codes = Uint8Array | number;

/** A command that the broker answers. */
export interface Asked {
    /** Writes the `ClientCommand` with this request number. It may be written several times. */
    write(to: Writer, request: number): void;
    /** The error for these codes; `undefined`: they are a success. */
    failure?(codes: Codes): TabmqError | undefined;
    /** Copies what belongs to the caller, who may change it when the call has returned. */
    keep?(): void;
}

/** How to make a call. */
export interface CallOptions {
    signal?: AbortSignal | undefined;
    /** Whether it is sent again if the worker ends without an answer; `true` by default. */
    isRepeated?: boolean;
    /** Bytes of the message that it publishes; 0 by default. */
    size?: number;
    /** Undoes an aborted call that the broker carries out all the same. */
    undo?: (codes: Codes) => void;
}

/** With more unacknowledged bytes than this, further messages wait in the page. */
const HIGH_WATER = 2 << 20;
/** Maximum time without any answer (ms) for which `settled` waits. */
const SETTLE_MS = 5_000;

/** A call to the broker that has no answer yet. */
class Call {
    readonly asked: Asked;
    readonly isRepeated: boolean;
    readonly size: number;
    readonly #calls: Calls;
    readonly #undo: ((codes: Codes) => void) | undefined;
    readonly #resolve: (codes: Codes) => void;
    readonly #reject: (error: TabmqError) => void;
    #isAborted = false;
    #forget: (() => void) | undefined;

    constructor(calls: Calls, asked: Asked, options: CallOptions, resolve: (codes: Codes) => void, reject: (error: TabmqError) => void) {
        this.#calls = calls;
        this.asked = asked;
        this.isRepeated = options.isRepeated !== false;
        this.size = options.size ?? 0;
        this.#undo = options.undo;
        this.#resolve = resolve;
        this.#reject = reject;
        const { signal } = options;
        this.#forget = signal && onAbort(signal, () => {
            if (calls.withdraw(this)) {
                return this.reject(aborted(signal));
            }
            this.#isAborted = true;
            reject(aborted(signal));
        });
    }

    resolve(codes: Codes): void {
        this.#over();
        const failure = this.asked.failure?.(codes);
        if (this.#isAborted) {
            this.#undo?.(codes);
        } else if (failure !== undefined) {
            this.#reject(failure);
        } else {
            this.#resolve(codes);
        }
    }

    reject(error: TabmqError): void {
        this.#over();
        this.#reject(error);
    }

    #over(): void {
        this.#calls.bytes -= this.size;
        this.#forget?.();
    }
}

export class Calls {
    /** Bytes of messages that are not acknowledged. */
    bytes = 0;
    readonly #hub: Hub;
    readonly #begin: () => Writer;
    /** Calls that the worker has, in order, by the number of their request. */
    readonly #sent = new Map<number, Call>();
    /** Calls that the worker does not have yet, from the place `#first` on. */
    #queue: Call[] = [];
    #first = 0;
    /** Resume the callers that wait for the next answer, or for the end. */
    #waiters: Array<() => void> = [];
    /** Bytes of the unacknowledged messages that the worker has. */
    #sentBytes = 0;
    /** Why no more calls are accepted. */
    #over: TabmqError | undefined;

    /** `begin` returns a writer for one command of the client. */
    constructor(hub: Hub, begin: () => Writer) {
        this.#hub = hub;
        this.#begin = begin;
    }

    /** Queues a call. An abort removes it if the worker does not have it yet. */
    ask(asked: Asked, options: CallOptions = {}): Promise<Codes> {
        return new Promise((resolve, reject) => {
            if (options.signal?.aborted) {
                return reject(aborted(options.signal));
            }
            if (this.#over !== undefined) {
                return reject(this.#over);
            }
            const call = new Call(this, asked, options, resolve, reject);
            this.bytes += call.size;
            const isFirst = this.#first === this.#queue.length;
            const isSent = isFirst && this.#hub.isOpen && this.#hasRoom(call);
            if (!isSent || call.isRepeated) {
                asked.keep?.();
            }
            if (isSent) {
                this.#send(call);
            } else {
                this.#queue.push(call);
            }
        });
    }

    /** Sends a call before all that are queued. `done` gets its answer. The next worker does not get the call. */
    askAtOnce(asked: Asked, done: (codes: Codes) => void): void {
        this.#send(new Call(this, asked, { isRepeated: false }, done, () => undefined));
    }

    /** Sends queued calls to the worker, in order, up to `HIGH_WATER` unacknowledged bytes. */
    pump(): void {
        let next: Call | undefined;
        while (this.#hub.isOpen && (next = this.#queue[this.#first]) !== undefined && this.#hasRoom(next)) {
            this.#first += 1;
            this.#send(next);
        }
        // Removing each from the front would move all others each time.
        if (this.#first * 2 >= this.#queue.length) {
            this.#queue.splice(0, this.#first);
            this.#first = 0;
        }
    }

    /** Removes a call that the worker does not have yet. Returns `false` if it has it. */
    withdraw(call: Call): boolean {
        const index = this.#queue.indexOf(call, this.#first);
        if (index >= 0) {
            this.#queue.splice(index, 1);
        }
        return index >= 0;
    }

    /** The worker resolved the call with this request number. */
    resolve(request: number, codes: Codes): void {
        this.#take(request)?.resolve(codes);
    }

    /** The worker refused the call with this request number. */
    reject(request: number, error: TabmqError): void {
        this.#take(request)?.reject(error);
    }

    /** Queues unanswered calls for the next worker if they may be repeated, and rejects the others. */
    workerStopped(): void {
        const repeated: Call[] = [];
        for (const it of this.#takeSent()) {
            if (it.isRepeated) {
                repeated.push(it);
            } else {
                it.reject(new TabmqError('not-connected', 'The worker ended with the hidden page before it answered: the message may have arrived or not.'));
            }
        }
        // Not as arguments of `splice`: an engine limits their number.
        this.#queue = [...repeated, ...this.#takeQueue()];
        this.#wakeWaiters();
    }

    /** Rejects all calls, those that the worker has with `failure` if there is one. */
    end(failure: TabmqError | undefined, over: TabmqError): void {
        this.#over = over;
        for (const it of this.#takeSent()) {
            it.reject(failure ?? new TabmqError('closed', 'The client was ended before this was answered: it may have been carried out or not.'));
        }
        this.#takeQueue().forEach((it) => it.reject(over));
        this.#wakeWaiters();
    }

    /** Waits until all calls are answered, the client ends, or `SETTLE_MS` pass without an answer. */
    async settled(): Promise<void> {
        while (this.#sent.size + this.#queue.length > this.#first && this.#over === undefined) {
            let timer: ReturnType<typeof setTimeout> | undefined;
            const isLate = await new Promise<boolean>((resolve) => {
                this.#waiters.push(() => resolve(false));
                timer = setTimeout(() => resolve(true), SETTLE_MS);
            });
            clearTimeout(timer);
            if (isLate) {
                return;
            }
        }
    }

    #hasRoom(call: Call): boolean {
        return call.size === 0 || this.#sentBytes <= HIGH_WATER;
    }

    #send(call: Call): void {
        const request = this.#hub.nextRequest();
        this.#sent.set(request, call);
        this.#sentBytes += call.size;
        call.asked.write(this.#begin(), request);
    }

    /** Ends the call with this answer, and sends what waited for its room. */
    #take(request: number): Call | undefined {
        const call = this.#sent.get(request);
        if (call !== undefined) {
            this.#sent.delete(request);
            this.#sentBytes -= call.size;
            this.pump();
        }
        this.#wakeWaiters();
        return call;
    }

    #takeSent(): Call[] {
        const calls = [...this.#sent.values()];
        this.#sent.clear();
        this.#sentBytes = 0;
        return calls;
    }

    #takeQueue(): Call[] {
        const calls = this.#queue.slice(this.#first);
        this.#queue = [];
        this.#first = 0;
        return calls;
    }

    #wakeWaiters(): void {
        if (this.#waiters.length > 0) {
            this.#waiters.splice(0).forEach((wake) => wake());
        }
    }
}
