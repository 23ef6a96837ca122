// Requests and their responses (MQTT 5.0, 4.10).

import { onAbort } from './abort.js';
import type { PublishOptions } from './client-options.js';
import { shown } from './client-options.js';
import type { Reading } from './client.js';
import { TabmqError, aborted } from './errors.js';
import type { Bytes, Message } from './message.js';
import { decodeUtf8, encodeUtf8 } from './utf8.js';

/** The part of a client that its requests use. */
export interface RequestClient {
    publish(topic: string, payload: Bytes | string, options: PublishOptions, signal: AbortSignal): Promise<number>;
    read(topic: string, onMessage: (message: Message) => void): Reading;
    /** Why the client has ended; `undefined` if it has not. */
    over(): TabmqError | undefined;
}

export interface RequestOptions extends PublishOptions {
    timeout?: number | undefined;
    signal?: AbortSignal | undefined;
}

/** The longest delay that a timer accepts (ms). */
const TIMER_MAX = 0x7fff_ffff;
const NO_MATCHING_SUBSCRIBERS = 0x10;

export class Requests {
    readonly #client: RequestClient;
    /** Unanswered requests by their correlation data. */
    readonly #waiting = new Map<string, { resolve(message: Message): void; reject(error: TabmqError): void }>();
    #responses: { topic: string; reading: Reading } | undefined;

    constructor(client: RequestClient) {
        this.#client = client;
    }

    request(topic: string, payload: Bytes | string, { timeout = 10_000, signal, ...options }: RequestOptions): Promise<Message> {
        const giveUp = new AbortController();
        const correlation = random();
        let timer: ReturnType<typeof setTimeout> | undefined;
        let forget: (() => void) | undefined;
        const response = new Promise<Message>((resolve, reject) => {
            if (signal?.aborted) {
                return reject(aborted(signal));
            }
            const over = this.#client.over();
            if (over !== undefined) {
                return reject(over);
            }
            if (typeof timeout !== 'number' || !(timeout >= 0)) {
                return reject(new TabmqError('invalid-option', `timeout is a number of milliseconds, not ${shown(timeout)}.`));
            }
            this.#waiting.set(correlation, { resolve, reject });
            forget = signal && onAbort(signal, () => reject(aborted(signal)));
            timer = setTimeout(() => reject(new TabmqError('timeout', `Nobody answered on ${topic} within ${timeout} ms.`)), Math.min(timeout, TIMER_MAX));
            const ask = async (): Promise<void> => {
                const { topic: responseTopic, reading } = this.#listen();
                // The subscription precedes the request, so the response may arrive before the SUBACK.
                reading.granted.catch(reject);
                const properties = { ...options.properties, responseTopic, correlationData: encodeUtf8(correlation) };
                const given = { qos: 1, ...options, properties } as const;
                const code = await this.#client.publish(topic, payload, given, giveUp.signal);
                if (code === NO_MATCHING_SUBSCRIBERS && !given.retain) {
                    throw new TabmqError('refused', `Nobody has subscribed to ${topic}, so nobody can answer.`, { reasonCode: code });
                }
            };
            ask().catch(reject);
        });
        return response.finally(() => {
            this.#waiting.delete(correlation);
            clearTimeout(timer);
            forget?.();
            giveUp.abort();
        });
    }

    /** Rejects all requests. */
    end(over: TabmqError): void {
        this.#waiting.forEach((it) => it.reject(over));
    }

    #listen(): { topic: string; reading: Reading } {
        if (this.#responses === undefined) {
            const topic = `response/${random()}`;
            const reading = this.#client.read(topic, (message) => {
                const { correlationData } = message.properties;
                this.#waiting.get(correlationData === undefined ? '' : decodeUtf8(correlationData))?.resolve(message);
            });
            this.#responses = { topic, reading };
            // The next request subscribes again.
            reading.granted.catch(() => { this.#responses = undefined; });
        }
        return this.#responses;
    }
}

/** 128 random bits in hexadecimal. */
function random(): string {
    return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
