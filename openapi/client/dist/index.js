import { check, limited, patiently, pause } from "./patience.js";
import { Problem } from "./problem.js";
import { CALLS } from "./schema.js";
export { Problem };
const HELD_SECONDS = 55;
const ANSWER_SECONDS = 60;
/** Where it is missing, as in React Native, an answer arrives whole or not at all. */
const canStream = () => typeof TextDecoderStream !== "undefined" && typeof ReadableStream !== "undefined";
/** The service's calls by their names in the API description. Each throws a `Problem`, or the reason of its signal. */
export class ReturnPortal {
    /** The bearer session; set it to go on with one. */
    token;
    #base;
    #settings;
    /** @param base Where the service is, such as "https://returns.example"; "" for the page's own origin. */
    constructor(base, settings = {}) {
        this.#base = base.replace(/\/$/, "");
        this.#settings = settings;
    }
    getPortal = (brand, query = {}, options) => this.#json("getPortal", { path: { brand }, query, ...options });
    /** Looks a parcel up; the session is this client's from here on. */
    createSession = (brand, json, options) => this.#started("createSession", { path: { brand }, json, ...options });
    getSession = (options) => this.#json("getSession", { ...options });
    deleteSession = (options) => this.#send("deleteSession", { ...options }, async () => { this.token = undefined; });
    createHandoff = (json = {}, options) => this.#json("createHandoff", { json, ...options });
    /** Goes on with the session of another device. */
    redeemHandoff = (token, options) => this.#started("redeemHandoff", { json: { token }, ...options });
    findServicePoints = (query = {}, options) => this.#json("findServicePoints", { query, ...options });
    getServicePoint = (id, options) => this.#json("getServicePoint", { path: { service_point_id: id }, ...options });
    previewReturn = (json, options) => this.#json("previewReturn", { json, ...options });
    /**
     * Creates the return, once for each key: make one (`crypto.randomUUID()`) when the form opens, for all attempts of
     * that form. Repeats the request by itself where the service says that nothing can come twice. On
     * "return-outcome-unknown" do not create another one: show `getReturn(problem.returnId)`.
     */
    createReturn = (json, key, options) => patiently(() => this.#json("createReturn", { json, headers: { "Idempotency-Key": key }, ...options }), ({ code, status, retryAfter }) => retryAfter !== undefined && (code === "return-in-progress" || status === 503), options?.signal);
    /** Stores pictures and answers, in their order, what `photos` of a return names. */
    uploadPhotos = (photos, options) => this.#json("uploadPhotos", { form: formOf(photos), seconds: 0, ...options });
    getReturn = (id, options) => this.#json("getReturn", { path: { return_id: id }, ...options });
    /** The PDF, whole: one that breaks off is the problem "incomplete", and worth asking for again. */
    getLabel = (id, options) => this.#document("getLabel", { path: { return_id: id }, ...options });
    getCustomsDeclaration = (id, options) => this.#document("getCustomsDeclaration", { path: { return_id: id }, ...options });
    /** For a shop's own system, with its key among the `headers` of the settings. */
    getShopReturn = (brand, id, options) => this.#json("getShopReturn", { path: { brand, return_id: id }, ...options });
    getParcelUnits = (brand, id, options) => this.#json("getParcelUnits", { path: { brand, return_id: id }, ...options });
    resolveReturn = (brand, id, json, options) => this.#json("resolveReturn", { path: { brand, return_id: id }, json, ...options });
    eraseReturn = (brand, id, options) => this.#json("eraseReturn", { path: { brand, return_id: id }, ...options });
    findReturnsOfOrder = (brand, json, options) => this.#json("findReturnsOfOrder", { path: { brand }, json, ...options });
    eraseReturnsOfOrder = (brand, json, options) => this.#json("eraseReturnsOfOrder", { path: { brand }, json, ...options });
    getDeadEvents = (brand, options) => this.#json("getDeadEvents", { path: { brand }, ...options });
    resendDeadEvents = (brand, options) => this.#json("resendDeadEvents", { path: { brand }, ...options });
    /** For the shipping service, with its signature among the `headers`. */
    takeUpstreamEvent = (brand, json, options) => this.#json("takeUpstreamEvent", { path: { brand }, json, ...options });
    getLiveness = (options) => this.#json("getLiveness", { ...options });
    getReadiness = (options) => this.#json("getReadiness", { ...options });
    getProblem = (code, options) => this.#json("getProblem", { path: { code }, ...options });
    /** The return as it is now, and each change of it, until the answer ends: with its last state, or for a restart. */
    async *watchReturn(id, { seen, ...options } = {}) {
        if (!canStream())
            return yield* this.#held(id, seen, options.signal);
        const headers = { "Last-Event-ID": String(seen ?? 0) };
        const sent = { path: { return_id: id }, headers, seconds: 0, ...options };
        const response = await this.#send("watchReturn", sent, async (begun) => begun);
        const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
        try {
            for (let rest = ""; reader;) {
                const { done, value } = await whole(reader.read(), options.signal);
                if (done)
                    return;
                const events = (rest + value).split("\n\n");
                rest = events.pop() ?? "";
                for (const [, data] of events.map((event) => /^data: (.*)$/m.exec(event) ?? [])) {
                    if (data)
                        yield JSON.parse(data);
                }
            }
        }
        finally {
            await reader?.cancel().catch(() => { });
        }
    }
    /**
     * The return once nothing more will come by itself: see its `state`. One that awaits payment is waited for as well,
     * so show `payment_url` from `onChange`, which is told how the return stands now and then each change.
     */
    async waitForLabel(id, { onChange, signal } = {}) {
        for (let seen;;) {
            const wait = seen ? HELD_SECONDS : 0;
            const now = await patiently(() => this.getReturn(id, { wait, signal }), (problem) => problem.retryable, signal);
            const isNews = now.revision !== seen?.revision;
            if (isNews)
                onChange?.(now);
            if (now.retry_after === null)
                return now;
            // Held to its end, or let go early by a service that restarts.
            if (!isNews)
                await pause(now.retry_after, signal);
            seen = now;
        }
    }
    /** The same by held requests. */
    async *#held(id, seen, signal) {
        for (let known = seen;;) {
            const now = await this.getReturn(id, { wait: known === undefined ? 0 : HELD_SECONDS, signal });
            if (now.revision !== known)
                yield now;
            if (now.retry_after === null)
                return;
            if (now.revision === known)
                await pause(now.retry_after, signal);
            known = now.revision;
        }
    }
    async #started(name, sent) {
        const token_delivery = this.#settings.session === "bearer" ? "body" : "cookie";
        const screen = await this.#json(name, { ...sent, json: { ...sent.json, token_delivery } });
        this.token = screen.session_token ?? undefined;
        return screen;
    }
    #json(name, sent) {
        return this.#send(name, sent, async (response) => (await whole(response.json(), sent.signal)));
    }
    #document(name, sent) {
        return this.#send(name, sent, async (response) => {
            const blob = await whole(response.blob(), sent.signal);
            // Not every browser reports it by itself. A gateway may have compressed it, so more is no error.
            if (blob.size < Number(response.headers.get("Content-Length")))
                throw new Problem(INCOMPLETE);
            return blob;
        });
    }
    async #send(name, sent, read) {
        const seconds = sent.seconds ?? ANSWER_SECONDS + (sent.wait ?? 0);
        const call = async (limit) => read(await this.#answered(name, sent, limit));
        return seconds ? limited(call, seconds, sent.signal) : call(sent.signal);
    }
    async #answered(name, { path = {}, query = {}, json, form, signal, ...sent }, limit) {
        const [method, template] = CALLS[name];
        const place = template.replace(/\{(\w+)\}/g, (_, part) => encodeURIComponent(path[part] ?? ""));
        const asked = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
        const search = asked.length ? `?${new URLSearchParams(asked.map(([key, value]) => [key, String(value)]))}` : "";
        const headers = new Headers({ ...this.#settings.headers, ...sent.headers });
        if (this.token)
            headers.set("Authorization", `Bearer ${this.token}`);
        if (sent.wait)
            headers.set("Prefer", `wait=${sent.wait}`);
        if (json)
            headers.set("Content-Type", "application/json");
        const response = await (this.#settings.fetch ?? fetch)(this.#base + place + search, {
            method,
            headers,
            body: json ? JSON.stringify(json) : (form ?? null),
            credentials: this.#settings.session === "bearer" ? "omit" : "include",
            signal: limit ?? null,
        }).catch(() => {
            check(signal);
            throw new Problem({});
        });
        if (!response.ok)
            throw await Problem.in(response);
        return response;
    }
}
function formOf(photos) {
    const filled = new FormData();
    photos.forEach((photo, place) => filled.append(String(place), photo));
    return filled;
}
const INCOMPLETE = { code: "incomplete", title: "The answer broke off" };
async function whole(reading, signal) {
    return reading.catch(() => {
        check(signal);
        throw new Problem(INCOMPLETE);
    });
}
