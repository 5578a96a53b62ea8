import type { components, ProblemCode } from "./schema.js";
type Document = components["schemas"]["Problem"];
/**
 * Whatever went wrong, as the service says it (RFC 9457); decide on `code`.
 *
 * Where the service itself gave no answer, `code` is "unreachable" (`status` 0, or that of a gateway's answer);
 * "incomplete" is a document that broke off.
 */
export declare class Problem extends Error {
    readonly name = "Problem";
    readonly code: ProblemCode | "unreachable" | "incomplete" | (string & {});
    readonly status: number;
    readonly detail: string;
    /** Repeating the very same request can help. */
    readonly retryable: boolean;
    /** Seconds after which it can. */
    readonly retryAfter: number | undefined;
    /** What stands in the way: a path of the service, or the shop's hosted return portal. */
    readonly location: string | undefined;
    /** Which members of the body are wrong, by JSON Pointer. */
    readonly errors: NonNullable<Document["errors"]>;
    /** Other service points of the same carrier, where the chosen one is not available. */
    readonly alternatives: NonNullable<Document["alternatives"]>;
    /** To quote when you report it. */
    readonly requestId: string | undefined;
    constructor(document: Partial<Document>, headers?: Headers);
    /** The return at `location`: the one that holds the units, still runs, or has an unknown outcome. */
    get returnId(): string | undefined;
    /** The problem in an answer; one that is not the service's own tells its status alone. */
    static in(response: Response): Promise<Problem>;
}
export {};
