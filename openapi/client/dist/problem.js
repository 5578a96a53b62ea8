/**
 * Whatever went wrong, as the service says it (RFC 9457); decide on `code`.
 *
 * Where the service itself gave no answer, `code` is "unreachable" (`status` 0, or that of a gateway's answer);
 * "incomplete" is a document that broke off.
 */
export class Problem extends Error {
    name = "Problem";
    code;
    status;
    detail;
    /** Repeating the very same request can help. */
    retryable;
    /** Seconds after which it can. */
    retryAfter;
    /** What stands in the way: a path of the service, or the shop's hosted return portal. */
    location;
    /** Which members of the body are wrong, by JSON Pointer. */
    errors;
    /** Other service points of the same carrier, where the chosen one is not available. */
    alternatives;
    /** To quote when you report it. */
    requestId;
    constructor(document, headers = new Headers()) {
        super(document.title ?? "No answer");
        const seconds = Number.parseInt(headers.get("Retry-After") ?? "", 10);
        this.code = document.code ?? "unreachable";
        this.status = document.status ?? 0;
        this.detail = document.detail ?? "";
        this.retryable = document.retryable ?? !(this.status >= 400 && this.status < 500);
        this.retryAfter = Number.isNaN(seconds) ? undefined : seconds;
        this.location = headers.get("Location") ?? undefined;
        this.errors = document.errors ?? [];
        this.alternatives = document.alternatives ?? [];
        this.requestId = document.request_id;
    }
    /** The return at `location`: the one that holds the units, still runs, or has an unknown outcome. */
    get returnId() {
        return /^\/v1\/returns\/([^/]+)$/.exec(this.location ?? "")?.[1];
    }
    /** The problem in an answer; one that is not the service's own tells its status alone. */
    static async in(response) {
        const own = response.headers.get("Content-Type")?.startsWith("application/problem+json");
        const document = own ? (await response.json().catch(() => ({}))) : {};
        return new Problem({ status: response.status, ...document }, response.headers);
    }
}
