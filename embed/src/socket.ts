// What MQTT.js takes for a WebSocket: MQTT over a port of the worker.

import type { Bus } from './bus.js';
import { TabmqError } from './errors.js';

const CONNECTING = 0;
const OPEN = 1;
const CLOSING = 2;
const CLOSED = 3;

/** The part of `WebSocket` that clients of MQTT use. Nothing goes over the network. */
export class PortSocket extends EventTarget {
    static readonly CONNECTING = CONNECTING;
    static readonly OPEN = OPEN;
    static readonly CLOSING = CLOSING;
    static readonly CLOSED = CLOSED;
    readonly CONNECTING = CONNECTING;
    readonly OPEN = OPEN;
    readonly CLOSING = CLOSING;
    readonly CLOSED = CLOSED;

    readonly url: string;
    readonly protocol = 'mqtt';
    readonly extensions = '';
    /** `arraybuffer` whatever is set: messages are bytes. */
    binaryType: BinaryType = 'arraybuffer';
    onopen: ((event: Event) => void) | null = null;
    onmessage: ((event: MessageEvent) => void) | null = null;
    onerror: ((event: Event) => void) | null = null;
    onclose: ((event: Event) => void) | null = null;
    #readyState = CONNECTING;
    #buffered = 0;
    #bus: Bus | undefined;
    #port: MessagePort | undefined;

    constructor(bus: Bus | Promise<Bus>, url: string) {
        super();
        this.url = url;
        void this.#open(bus);
    }

    get readyState(): number {
        return this.#readyState;
    }

    /** Bytes that are not on their way to the broker yet. */
    get bufferedAmount(): number {
        return this.#buffered;
    }

    send(data: ArrayBuffer | ArrayBufferView | string): void {
        if (this.#readyState === CONNECTING) {
            throw new DOMException('The connection is not open yet.', 'InvalidStateError');
        }
        // The sender keeps its bytes.
        const bytes = typeof data === 'string'
            ? new TextEncoder().encode(data)
            : ArrayBuffer.isView(data)
                ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice()
                : new Uint8Array(data.slice(0));
        this.#buffered += bytes.length;
        if (this.#readyState === OPEN) {
            this.#port?.postMessage(bytes, [bytes.buffer]);
        }
    }

    close(): void {
        if (this.#readyState === CLOSING || this.#readyState === CLOSED) {
            return;
        }
        this.#readyState = CLOSING;
        this.#port?.postMessage(null);
        setTimeout(() => this.#closed(true), 0);
    }

    async #open(promised: Bus | Promise<Bus>): Promise<void> {
        try {
            const bus = await promised;
            if (this.#readyState !== CONNECTING) {
                return;
            }
            const port = bus.attach(true);
            port.onmessage = ({ data }) => this.#onMessage(data);
            this.#bus = bus;
            this.#port = port;
            this.#readyState = OPEN;
            this.#dispatch('open', new Event('open'));
        } catch (error) {
            if (this.#readyState === CONNECTING) {
                const event = new ErrorEvent('error', { error, message: error instanceof TabmqError ? error.message : String(error) });
                this.#dispatch('error', event);
                this.#closed(false);
            }
        }
    }

    #onMessage(data: Uint8Array<ArrayBuffer> | number | null): void {
        if (data === null) {
            this.#closed(true);
        } else if (typeof data === 'number') {
            this.#buffered -= data;
        } else if (this.#readyState === OPEN) {
            this.#dispatch('message', new MessageEvent('message', { data: data.buffer }));
        }
    }

    #closed(wasClean: boolean): void {
        if (this.#readyState !== CLOSED) {
            this.#readyState = CLOSED;
            if (this.#port !== undefined) {
                this.#port.close();
                this.#bus?.forget(this.#port);
            }
            this.#dispatch('close', new CloseEvent('close', { code: wasClean ? 1000 : 1006, wasClean }));
        }
    }

    #dispatch(name: 'open' | 'message' | 'error' | 'close', event: Event): void {
        this.dispatchEvent(event);
        this[`on${name}`]?.(event as never);
    }
}
