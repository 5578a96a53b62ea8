import { Problem } from "./problem.js";
/** Throws the reason of a signal that was aborted; React Native's signals have no method for it. */
export declare function check(signal: AbortSignal | undefined): void;
/** What the call answers; its signal aborts with another one, or after so many seconds. */
export declare function limited<T>(call: (limit: AbortSignal) => Promise<T>, seconds: number, signal: AbortSignal | undefined): Promise<T>;
/** Resolves after so many seconds. */
export declare function pause(seconds: number, signal: AbortSignal | undefined): Promise<void>;
/** What the call answers, repeated for a minute at most where `helps` says so and not before the service wants it. */
export declare function patiently<T>(call: () => Promise<T>, helps: (problem: Problem) => boolean, signal: AbortSignal | undefined): Promise<T>;
