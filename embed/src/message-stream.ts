// The messages of a topic filter for `for await`.

import { onAbort } from './abort.js';
import type { Reading } from './client.js';
import type { TabmqError } from './errors.js';
import type { Message } from './message.js';

/** The part of a client that a stream needs. */
export interface MessageSource {
    read(onMessage: (message: Message) => void): Reading;
    onEnd(listener: () => void): void;
    offEnd(listener: () => void): void;
    /** The reason for which the client ended; `undefined` if the app ended it. */
    failure(): TabmqError | undefined;
}

/** Reads from now on. It keeps up to `limit` unread messages; then the oldest are dropped. */
export function messageStream(source: MessageSource, options: { limit?: number | undefined; signal?: AbortSignal | undefined }):
AsyncGenerator<Message, void, void> {
    const { limit = 10_000, signal } = options;
    const arrived: Message[] = [];
    let waiting: Array<{ resolve(it: IteratorResult<Message, void>): void; reject(error: unknown): void }> = [];
    let failure: TabmqError | undefined;
    let reading: Reading | undefined;
    let forget: (() => void) | undefined;
    let isOver = signal?.aborted ?? false;
    const finish = (error?: TabmqError): void => {
        if (isOver) {
            return;
        }
        isOver = true;
        failure = error;
        source.offEnd(onEnd);
        forget?.();
        for (const it of waiting.splice(0)) {
            failure === undefined ? it.resolve({ done: true, value: undefined }) : it.reject(failure);
            failure = undefined;
        }
    };
    const onEnd = (): void => finish(source.failure());
    const stop = async (): Promise<void> => {
        finish();
        arrived.length = 0;
        await reading?.release();
    };
    if (!isOver) {
        reading = source.read((message) => {
            const first = waiting.shift();
            if (first !== undefined) {
                first.resolve({ done: false, value: message });
            } else if (arrived.push(message) > limit) {
                arrived.shift();
            }
        });
        reading.granted.catch((error: TabmqError) => finish(error));
        source.onEnd(onEnd);
        forget = signal && onAbort(signal, () => void stop());
    }
    const messages = {
        next: (): Promise<IteratorResult<Message, void>> => new Promise((resolve, reject) => {
            const message = arrived.shift();
            if (message !== undefined) {
                resolve({ done: false, value: message });
            } else if (!isOver) {
                waiting.push({ resolve, reject });
            } else if (failure === undefined) {
                resolve({ done: true, value: undefined });
            } else {
                reject(failure);
                failure = undefined;
            }
        }),
        return: async (): Promise<IteratorResult<Message, void>> => {
            await stop();
            return { done: true, value: undefined };
        },
        throw: async (error: unknown): Promise<IteratorResult<Message, void>> => {
            await stop();
            throw error;
        },
        [Symbol.asyncIterator]: () => messages,
        // Some browsers lack the symbol.
        ...Symbol.asyncDispose && { [Symbol.asyncDispose]: stop },
    } as AsyncGenerator<Message, void, void>;
    return messages;
}
