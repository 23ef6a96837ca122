// A WebSocket for MQTT.js that carries MQTT over a port of the worker.

import { Backoff } from './backoff.js';
import type { Bus } from './bus.js';
import { TabmqError } from './errors.js';
import { encodeUtf8 } from './utf8.js';

const CONNECTING = 0;
const OPEN = 1;
const CLOSING = 2;
const CLOSED = 3;

/** MQTT's reason code for a client whose session another connection of its client id takes over. */
const SESSION_TAKEN_OVER = 0x8e;
/** Default time (ms) after which MQTT.js gives up a connection. */
const CONNECT_TIMEOUT_MS = 30_000;

/** The options of MQTT.js that matter here. */
export interface SocketClient {
    readonly clientId?: string | undefined;
    readonly connectTimeout?: number | undefined;
    readonly reconnectPeriod?: number | undefined;
}

/**
 * Pauses by channel and client id. Two tabs with one client id take over the session from each other. MQTT.js reconnects at once, so
 * without a pause they would do so in a loop.
 */
const pauses = new Map<string, Backoff>();

/** Time (ms) for which a socket may stay in `CONNECTING` before MQTT.js treats it as an error. */
export function patience(client: SocketClient): number {
    return (client.connectTimeout ?? CONNECT_TIMEOUT_MS) / 2;
}

/** The part of `WebSocket` that MQTT clients use. It does not use the network. */
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
    /** Always behaves as `arraybuffer`: messages are bytes. */
    binaryType: BinaryType = 'arraybuffer';
    onopen: ((event: Event) => void) | null = null;
    onmessage: ((event: MessageEvent) => void) | null = null;
    onerror: ((event: Event) => void) | null = null;
    onclose: ((event: Event) => void) | null = null;
    #readyState = CONNECTING;
    #buffered = 0;
    #bus: Bus | undefined;
    #port: MessagePort | undefined;
    readonly #client: SocketClient;
    /** Key in `pauses`. */
    readonly #key: string;

    /** @internal Calls `open` after the pause, unless the socket is closed before. */
    constructor(open: () => Promise<Bus>, url: string, channel: string, client: SocketClient = {}) {
        super();
        this.url = url;
        this.#client = client;
        this.#key = `${channel}/${client.clientId}`;
        void this.#open(open);
    }

    get readyState(): number {
        return this.#readyState;
    }

    /** Bytes that are not sent to the broker yet. */
    get bufferedAmount(): number {
        return this.#buffered;
    }

    send(data: ArrayBuffer | ArrayBufferView | string): void {
        if (this.#readyState === CONNECTING) {
            throw new DOMException('The connection is not open yet.', 'InvalidStateError');
        }
        // Copied: the sender keeps its bytes.
        const bytes = typeof data === 'string'
            ? encodeUtf8(data)
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

    async #open(open: () => Promise<Bus>): Promise<void> {
        try {
            await pauses.get(this.#key)?.wait(patience(this.#client));
            if (this.#readyState !== CONNECTING) {
                return;
            }
            const bus = await open();
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

    #takenOver(): void {
        const pause = pauses.get(this.#key) ?? new Backoff();
        pauses.set(this.#key, pause);
        pause.grow();
        const { clientId } = this.#client;
        this.#bus?.fault(new TabmqError('disconnected', `Another client took over the session of client id ${clientId ?? ''}: give each tab its `
            + 'own.', { reasonCode: SESSION_TAKEN_OVER }));
    }

    #onMessage(data: Uint8Array<ArrayBuffer> | number | { reasonCode: number } | null): void {
        if (data === null) {
            this.#closed(true);
        } else if (typeof data === 'number') {
            this.#buffered -= data;
        } else if ('reasonCode' in data) {
            if (data.reasonCode === SESSION_TAKEN_OVER) {
                this.#takenOver();
            }
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
