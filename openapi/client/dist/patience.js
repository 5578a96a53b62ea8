import { Problem } from "./problem.js";
const PATIENCE_SECONDS = 60;
const RETRY_SECONDS = 2;
/** Throws the reason of a signal that was aborted; React Native's signals have no method for it. */
export function check(signal) {
    if (signal?.aborted)
        throw signal.reason ?? new Error("aborted");
}
/** What the call answers; its signal aborts with another one, or after so many seconds. */
export async function limited(call, seconds, signal) {
    const limit = new AbortController();
    const end = () => limit.abort(signal?.reason);
    // AbortSignal.any is missing before Node 20.3, Safari 17.4 and in React Native.
    signal?.addEventListener("abort", end);
    if (signal?.aborted)
        end();
    const timer = setTimeout(end, 1000 * seconds);
    try {
        return await call(limit.signal);
    }
    finally {
        clearTimeout(timer);
        signal?.removeEventListener("abort", end);
    }
}
/** Resolves after so many seconds. */
export function pause(seconds, signal) {
    return new Promise((resolve, reject) => {
        check(signal);
        const aborted = () => {
            clearTimeout(timer);
            reject(signal?.reason);
        };
        const timer = setTimeout(() => {
            signal?.removeEventListener("abort", aborted);
            resolve();
        }, 1000 * seconds);
        signal?.addEventListener("abort", aborted, { once: true });
    });
}
/** What the call answers, repeated for a minute at most where `helps` says so and not before the service wants it. */
export async function patiently(call, helps, signal) {
    for (const end = Date.now() + 1000 * PATIENCE_SECONDS;;) {
        try {
            return await call();
        }
        catch (error) {
            if (!(error instanceof Problem && helps(error)))
                throw error;
            // Whoever was told the same moment does not come back in the same moment.
            const seconds = Math.max(1, error.retryAfter ?? RETRY_SECONDS) * (1 + Math.random() / 4);
            if (Date.now() + 1000 * seconds > end)
                throw error;
            await pause(seconds, signal);
        }
    }
}
