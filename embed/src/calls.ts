// The calls of a client to its worker: waiting, under way, and repeated after the end of a worker.

import { onAbort } from './abort.js';
import { TabmqError, aborted } from './errors.js';
import type { Hub } from './hub.js';
import type * as wire from './wire.js';

/** The reason codes of an answer: one, or one for each topic filter. */
export type Codes = Uint8Array | number;

/** A call to the broker that has no answer yet. */
export interface Call {
    make(request: number): wire.ClientCommand;
    resolve(codes: Codes): void;
    reject(error: TabmqError): void;
    /** Whether it is sent again if the worker ends without an answer. */
    readonly isRepeated: boolean;
    /** Bytes of the message that it publishes; otherwise 0. */
    readonly size: number;
}

/** How to make a call. */
export interface CallOptions {
    signal?: AbortSignal | undefined;
    /** `true` by default. See `Call`. */
    isRepeated?: boolean;
    size?: number;
    /** Undoes an aborted call that the broker carries out all the same. */
    undo?: (codes: Codes) => void;
}

/** With more unacknowledged bytes than this, further messages wait in the page. */
const HIGH_WATER = 2 << 20;
/** Maximum time without any answer (ms) for which `settled` waits. */
const SETTLE_MS = 5_000;

export class Calls {
    readonly #hub: Hub;
    readonly #send: (command: wire.ClientCommand) => void;
    /** Calls that the worker has, in order, by the number of their request. */
    readonly #sent = new Map<number, Call>();
    /** Calls that the worker does not have yet. */
    #queue: Call[] = [];
    /** Resume the callers that wait for the next answer, or for the end. */
    #waiters: Array<() => void> = [];
    /** Bytes of unacknowledged messages, and the part of them that the worker has. */
    #bytes = 0;
    #sentBytes = 0;
    /** Why no more calls are accepted. */
    #over: TabmqError | undefined;

    constructor(hub: Hub, send: (command: wire.ClientCommand) => void) {
        this.#hub = hub;
        this.#send = send;
    }

    /** Bytes of messages that are not acknowledged. */
    get bytes(): number {
        return this.#bytes;
    }

    /** Queues a call. An abort removes it if the worker does not have it yet. */
    ask(make: Call['make'], { signal, isRepeated = true, size = 0, undo }: CallOptions = {}): Promise<Codes> {
        return new Promise((resolve, reject) => {
            if (signal?.aborted) {
                return reject(aborted(signal));
            }
            if (this.#over !== undefined) {
                return reject(this.#over);
            }
            let isAborted = false;
            const over = (): void => {
                this.#bytes -= size;
                forget?.();
            };
            const call: Call = {
                make,
                resolve: (codes) => {
                    over();
                    isAborted ? undo?.(codes) : resolve(codes);
                },
                reject: (error) => {
                    over();
                    reject(error);
                },
                isRepeated,
                size,
            };
            const forget = signal && onAbort(signal, () => {
                const index = this.#queue.indexOf(call);
                if (index >= 0) {
                    this.#queue.splice(index, 1);
                    return call.reject(aborted(signal));
                }
                isAborted = true;
                reject(aborted(signal));
            });
            this.#bytes += size;
            this.#queue.push(call);
            this.pump();
        });
    }

    /** Sends a call at once. */
    send(call: Call): void {
        const request = this.#hub.nextRequest();
        this.#sent.set(request, call);
        this.#sentBytes += call.size;
        this.#send(call.make(request));
    }

    /** Sends queued calls to the worker, in order, up to `HIGH_WATER` unacknowledged bytes. */
    pump(): void {
        let first: Call | undefined;
        let taken = 0;
        while (this.#hub.isOpen && (first = this.#queue[taken]) !== undefined && (first.size === 0 || this.#sentBytes <= HIGH_WATER)) {
            taken += 1;
            this.send(first);
        }
        this.#queue.splice(0, taken);
    }

    /** Returns the call with this answer. */
    answered(request: number): Call | undefined {
        const call = this.#sent.get(request);
        if (call !== undefined) {
            this.#sent.delete(request);
            this.#sentBytes -= call.size;
            this.pump();
        }
        this.#wakeWaiters();
        return call;
    }

    /** Queues unanswered calls for the next worker if they may be repeated, and rejects the others. */
    workerStopped(): void {
        const calls = this.#takeSent();
        this.#queue.unshift(...calls.filter((it) => it.isRepeated));
        for (const it of calls.filter((call) => !call.isRepeated)) {
            it.reject(new TabmqError('not-connected', 'The worker ended with the hidden page before it answered: the message may have arrived or not.'));
        }
        this.#wakeWaiters();
    }

    /** Rejects all calls, those that the worker has with `failure` if there is one. */
    end(failure: TabmqError | undefined, over: TabmqError): void {
        this.#over = over;
        for (const it of this.#takeSent()) {
            it.reject(failure ?? new TabmqError('closed', 'The client was ended before this was answered: it may have been carried out or not.'));
        }
        this.#queue.splice(0).forEach((it) => it.reject(over));
        this.#wakeWaiters();
    }

    /** Waits until all calls are answered, the client ends, or `SETTLE_MS` pass without an answer. */
    async settled(): Promise<void> {
        while (this.#sent.size + this.#queue.length > 0 && this.#over === undefined) {
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

    #takeSent(): Call[] {
        const calls = [...this.#sent.values()];
        this.#sent.clear();
        this.#sentBytes = 0;
        return calls;
    }

    #wakeWaiters(): void {
        this.#waiters.splice(0).forEach((wake) => wake());
    }
}
