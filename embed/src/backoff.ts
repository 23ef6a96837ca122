// Pauses that grow with each failure, for a client that retries without any pause of its own.

import { TabmqError } from './errors.js';

const FIRST_MS = 1_000;
const LONGEST_MS = 60_000;

export class Backoff {
    #delay = 0;
    #until = 0;

    /** Records a failure: the next attempt is due after twice the previous pause. */
    grow(): void {
        this.#delay = Math.min(Math.max(this.#delay * 2, FIRST_MS), LONGEST_MS);
        this.#until = performance.now() + this.#delay;
    }

    reset(): void {
        this.#delay = 0;
        this.#until = 0;
    }

    /** Waits until the next attempt is due, for at most `longest` milliseconds. Rejects if it is due later. */
    async wait(longest: number): Promise<void> {
        const left = this.#until - performance.now();
        if (left > 0) {
            await new Promise((resolve) => setTimeout(resolve, Math.min(left, longest)));
        }
        if (left > longest) {
            throw new TabmqError('not-connected', 'The next attempt is not due yet.');
        }
    }
}
